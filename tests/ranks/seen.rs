//! What is seen of nodes: statistics, traces, pages, logs and what items wrote tell them apart.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use log::kv::Key;
use log::{LevelFilter, Log, Metadata, Record};
use parproc::observe::{Event, EventKind, HtmlReport, Trace};
use parproc::{Output, Pool, parallel, task};
use parproc_tests::{Meeting, Process, meet};
use rustix::process::getppid;

use super::launch::{Launch, with_each, with_open};

#[test]
fn nodes_are_told_apart() {
    with_each(|mpi| {
        let end = Launch::of(mpi, 3, "seen").run();
        assert!(end.output.status.success(), "{}", end.said);
        assert!(end.said.contains("all was seen"), "{}", end.said);
    });
}

#[test]
fn a_lost_node_is_seen_as_lost() {
    with_open(|| {
        let meeting = Meeting::new();
        let launched = Launch::recovering(3, &format!("seen-lost {}", meeting.name())).start();
        let guest = meeting.wait();
        Process::watch(u32::try_from(guest.word).unwrap()).kill();
        thread::scope(|scope| {
            // The item comes again, on the other one.
            scope.spawn(|| drop(meeting.wait()));
            let end = launched.end();
            assert!(end.said.contains("its loss was seen"), "{}", end.said);
        });
    });
}

/// What was logged: words, host, rank, process.
#[derive(Debug)]
struct Heard(Mutex<Vec<[String; 4]>>);

static HEARD: Heard = Heard(Mutex::new(Vec::new()));

impl Log for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let value = |key| record.key_values().get(Key::from_str(key));
        let value = |key| value(key).map_or_else(String::new, |value| value.to_string());
        let line = [
            record.args().to_string(),
            value("host"),
            value("rank"),
            value("worker"),
        ];
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[parallel]
fn leave() {
    log::info!("left");
}

#[parallel]
fn tell(x: u64) -> u32 {
    log::info!("item {x}");
    thread::sleep(Duration::from_millis(5));
    std::process::id()
}

#[parallel]
fn write(bytes: usize) {
    print!("{}", "x".repeat(bytes));
}

/// In rank 0.
pub(crate) fn show() {
    log::set_logger(&HEARD).unwrap();
    log::set_max_level(LevelFilter::Info);
    let folder = tempfile::tempdir().unwrap();
    let [traced, shown] = ["trace.json", "report.html"].map(|name| folder.path().join(name));
    let pool = Pool::builder()
        .workers(2)
        .exit(leave)
        .stdout(Output::Captured)
        .observe(Trace::create(&traced).unwrap())
        .observe(HtmlReport::create(&shown).unwrap())
        .build()
        .unwrap();
    let pids = pool.job(tell).chunk_size(1).map(0..40).unwrap();

    // All of it before the results.
    let heard = std::mem::take(&mut *HEARD.0.lock().unwrap());
    assert_eq!(heard.len(), 40, "{heard:?}");
    for [word, on, rank, worker] in &heard {
        assert_eq!(*on, host());
        assert!(["1", "2"].contains(&rank.as_str()), "{heard:?}");
        let item = word.strip_prefix("item ").unwrap();
        let pid = pids[item.parse::<usize>().unwrap()];
        assert_eq!(*worker, pid.to_string());
    }

    let stats = pool.stats();
    let nodes: Vec<_> = stats.nodes().iter().map(|node| node.rank()).collect();
    assert_eq!(nodes, [1, 2], "{stats}");
    assert_eq!(
        stats.nodes().iter().map(|node| node.items()).sum::<u64>(),
        40
    );
    for worker in stats.workers() {
        let node = &stats.nodes()[worker.rank() - 1];
        assert_eq!((worker.host(), node.host()), (&*host(), &*host()));
        assert_eq!((worker.items(), worker.processes()), (node.items(), 1));
        assert!(worker.pid().is_some_and(|pid| pids.contains(&pid)));
        assert!(!node.is_lost() && worker.life() >= worker.working());
        let place = format!(" {}:{} ", host(), worker.rank());
        assert!(stats.to_string().contains(&place), "{stats}");
    }

    let reports = pool.job(write).reports([7, 2 << 20]).unwrap();
    assert_eq!(
        (reports[0].stdout.len(), reports[0].is_output_cut),
        (7, false)
    );
    assert_eq!(
        (reports[1].stdout.len(), reports[1].is_output_cut),
        (1 << 20, true)
    );

    pool.shutdown().unwrap();
    let left = std::mem::take(&mut *HEARD.0.lock().unwrap());
    let left: Vec<_> = left.iter().map(|[word, _, _, _]| word.as_str()).collect();
    assert_eq!(left, ["left"; 2]);
    let stats = pool.stats();
    let ended = |worker: &parproc::observe::WorkerStats| {
        worker.pid().is_none() && worker.unexpected_ends() == 0 && worker.peak_memory() > 100_000
    };
    assert!(stats.workers().iter().all(ended), "{stats:#?}");
    drop(pool);
    let trace = std::fs::read_to_string(traced).unwrap();
    for rank in 0..3 {
        assert!(
            trace.contains(&format!("{} (rank {rank})", host())),
            "{trace}"
        );
    }
    assert_eq!(trace.matches("worker ended").count(), 2, "{trace}");
    let page = std::fs::read_to_string(shown).unwrap();
    assert!(page.contains(&format!(r#""rank":2,"host":"{}","lost":null"#, host())));
    println!("all was seen");
}

/// The item of that word comes to the meeting, and tells who has its worker.
#[parallel]
fn guest(meeting: &str, x: u64) -> u64 {
    if x == 20 && task::attempt() == Some(1) {
        let agent = getppid().map_or(0, |id| id.as_raw_nonzero().get() as u64);
        meet(meeting, agent);
    }
    x
}

/// In rank 0.
pub(crate) fn lose(meeting: &str) {
    static LOST: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    let folder = tempfile::tempdir().unwrap();
    let [traced, shown] = ["trace.json", "report.html"].map(|name| folder.path().join(name));
    let pool = Pool::builder()
        .workers(2)
        .observe(Trace::create(&traced).unwrap())
        .observe(HtmlReport::create(&shown).unwrap())
        .build()
        .unwrap();
    // Who observes a call that begins later is told of nodes as well.
    pool.map(guest, (0..10).map(|x| (meeting, x))).unwrap();
    let joined = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
    let known = std::sync::Arc::clone(&joined);
    let observe = move |events: &[Event]| {
        for event in events {
            match event.kind {
                EventKind::NodeJoined { rank, .. } => drop(known.lock().unwrap().insert(rank)),
                EventKind::NodeLost { rank, .. } => assert!(LOST.lock().unwrap().insert(rank)),
                _ => {}
            }
        }
    };
    let items = (0..40).map(|x| (meeting, x));
    let job = pool.job(guest).chunk_size(1).observe(observe);
    assert_eq!(job.map(items).unwrap(), Vec::from_iter(0..40));
    let lost = LOST.lock().unwrap().clone();
    let [lost] = Vec::from_iter(lost)[..] else {
        panic!("one was lost");
    };
    assert!(joined.lock().unwrap().contains(&lost));

    let stats = pool.stats();
    for node in stats.nodes() {
        assert_eq!(node.is_lost(), node.rank() == lost, "{stats}");
    }
    let worker = stats.workers().iter().find(|worker| worker.rank() == lost);
    let worker = worker.unwrap();
    assert_eq!((worker.pid(), worker.unexpected_ends()), (None, 1));
    assert!(
        stats.to_string().contains(&format!(":{lost}, lost ")),
        "{stats}"
    );
    drop(pool);
    let trace = std::fs::read_to_string(traced).unwrap();
    assert_eq!(trace.matches("node lost").count(), 1, "{trace}");
    let page = std::fs::read_to_string(shown).unwrap();
    let place = format!(r#""rank":{lost},"host":"{}","lost":"#, host());
    assert!(page.contains(&place) && !page.contains(&format!("{place}null")));
    println!("its loss was seen");
}
