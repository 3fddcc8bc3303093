//! Hooks of pools that run everything in this process.

use std::collections::BTreeSet;
use std::process;

use parproc::{Pool, parallel, worker};
use parproc_tests::{Tally, in_time, note};

use super::{Prepared, count, noted, prepare, say_goodbye, task};

#[test]
fn an_inline_pool_calls_init_once_and_exit_when_it_is_closed() {
    in_time(|| {
        let tally = Tally::new();
        let builder = Pool::builder().inline();
        let builder = builder.init(prepare, tally.path()).exit(say_goodbye);
        let pool = builder.clone().build().unwrap();
        assert_eq!(tally.total(), 0);
        let results = pool.map(count, vec![(); 3]).unwrap();
        let own = process::id();
        assert_eq!(results, [(1, own), (2, own), (3, own)]);
        assert_eq!(pool.spawn(count, ()).unwrap().join().unwrap(), (4, own));
        assert_eq!(worker::with_local(|p: &mut Prepared| p.tasks), Some(4));
        pool.shutdown().unwrap();
        drop(pool);
        let own = BTreeSet::from([own.to_string()]);
        assert_eq!(
            (noted(&tally, "init"), noted(&tally, "exit")),
            (own.clone(), own)
        );
        // One that is killed, and one that is not used, call no exit function.
        worker::set_local(Prepared {
            tally: tally.path().to_owned(),
            tasks: 0,
        });
        drop(builder.build().unwrap());
        let killed = Pool::builder().inline().exit(say_goodbye).build().unwrap();
        killed.map(task, [1]).unwrap();
        killed.kill();
        drop(killed);
        assert_eq!(noted(&tally, "exit").len(), 1);
    });
}

#[parallel]
fn succeeds_second(tally: &str) -> Result<(), String> {
    let before = std::fs::read_to_string(tally).unwrap();
    note(tally, "init");
    if before.is_empty() {
        return Err("too early".to_owned());
    }
    Ok(())
}

#[test]
fn an_init_that_fails_in_an_inline_pool_fails_that_call() {
    in_time(|| {
        let tally = Tally::new();
        let pool = Pool::builder().inline().init(succeeds_second, tally.path());
        let pool = pool.build().unwrap();
        let error = pool.map(task, [1]).unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("too early"),
            "{error}"
        );
        assert_eq!(pool.map(task, [1]).unwrap(), [1]);
        assert_eq!(pool.map(task, [2]).unwrap(), [2]);
        assert_eq!(tally.total(), 2);
    });
}
