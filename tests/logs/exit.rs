//! The end of the program.

use std::process::Stdio;

use parproc::{Pool, parallel};
use parproc_tests::{in_time, program, role, succeeds};
use tracing::{Event, Subscriber, info};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

#[parallel]
fn say(words: u32) {
    for word in 0..words {
        info!(word, "saying");
    }
}

#[parallel]
fn say_for_ever() {
    loop {
        info!("saying");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

struct Print;

impl<S: Subscriber> Layer<S> for Print {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        println!("heard");
    }
}

/// In this thread and others, before and after `main`, with pools that live and that are gone.
#[test]
fn the_program_ends_as_usual_with_everything_heard() {
    let test = "exit::the_program_ends_as_usual_with_everything_heard";
    let Some(role) = role() else {
        in_time(move || {
            for role in ["global", "leaked", "dropped", "running", "detached"] {
                let said = succeeds(program(test, role).stderr(Stdio::inherit()));
                let heard = said.lines().filter(|line| *line == "heard").count();
                match role {
                    "running" => assert!(heard > 0, "{role}"),
                    _ => assert_eq!(heard, 1000, "{role}"),
                }
            }
        });
        return;
    };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Print)).unwrap();
    let own = parproc_tests::pool(2);
    match &*role {
        "global" => drop(Pool::global().unwrap().map(say, [500, 500]).unwrap()),
        "leaked" => drop(Box::leak(Box::new(own)).map(say, [500, 500]).unwrap()),
        "dropped" => drop(own.map(say, [500, 500]).unwrap()),
        "running" => {
            let pool = Pool::global().unwrap();
            let _task = pool.spawn(say_for_ever, ()).unwrap();
            pool.map(say, [1]).unwrap();
        }
        _ => {
            drop(own.spawn(say, 500).unwrap());
            drop(own.spawn(say, 500).unwrap());
            own.shutdown().unwrap();
        }
    }
    std::process::exit(0);
}
