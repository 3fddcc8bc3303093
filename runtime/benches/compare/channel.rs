//! Channels: small messages from one process to another, one by one and many at once, and round trips.

use std::io;
use std::process::Command;
use std::thread;

use parproc::channel::{self, Pipe, Receiver, Sender};
use parproc::{Process, parallel};
use rustix::process::Pid;

use super::measure::{Outcome, Scale, Series, check, take_turns, time};
use super::peers::work::step;
use super::place::{Place, Placed};
use super::raw::{FutexPingPong, PipeStream, SocketPingPong, Waiting};
use super::round_trip::Pace;
use super::table::{Bar, Table, Unit};

/// At least 1 M messages a second.
const ONE_BY_ONE: f64 = 1000.0;
/// At least 5 M messages a second.
const MANY: f64 = 200.0;

#[parallel]
fn pours(to: Sender<u64>, rounds: Receiver<(u64, bool)>) {
    for (count, many) in rounds {
        if many {
            to.send_many(0..count).expect("a receiver");
        } else {
            for i in 0..count {
                to.send(i).expect("a receiver");
            }
        }
    }
}

#[parallel]
fn answers(pipe: Pipe<u64, u64>) {
    for x in pipe.iter() {
        pipe.send(step(x)).expect("a receiver");
    }
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    throughput(scale, table)?;
    for (pace, when) in Pace::both(scale) {
        for (place, name) in [
            (Place::TwoCpus, "between two CPUs"),
            (Place::OneCpu, "on one CPU"),
            (Place::Free, "free"),
        ] {
            let what = format!("channel round trip {when}, {name}");
            round_trip(scale, pace, place, &what, table)?;
        }
    }
    Ok(())
}

fn throughput(scale: Scale, table: &mut Table) -> Outcome<()> {
    let count: u64 = scale.pick(1_000_000, 100_000);
    let sum = count * (count - 1) / 2;
    let (sender, receiver) = parproc::channel::<u64>()?;
    let (rounds, orders) = parproc::channel()?;
    let process = Process::spawn(pours, (sender, orders))?;
    let one_by_one = || {
        let (received, nanos) = time(|| {
            rounds.send((count, false))?;
            Ok::<_, Box<dyn std::error::Error>>(receiver.iter().take(count as usize).sum::<u64>())
        });
        check(received? == sum, "messages one by one")?;
        Ok(nanos)
    };
    let many = || {
        let mut messages = Vec::new();
        let (received, nanos) = time(|| {
            rounds.send((count, true))?;
            let mut received = 0;
            let mut left = count as usize;
            while left > 0 {
                messages.clear();
                left -= receiver.recv_many(&mut messages, left)?;
                received += messages.iter().sum::<u64>();
            }
            Ok::<_, Box<dyn std::error::Error>>(received)
        });
        check(received? == sum, "messages many at once")?;
        Ok(nanos)
    };
    let threads = || {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let (received, nanos) = time(|| {
            let thread = thread::spawn(move || (0..count).try_for_each(|i| sender.send(i)));
            let received = receiver.iter().sum::<u64>();
            thread.join().map(|sent| (sent, received))
        });
        let (sent, received) = received.map_err(|_| "a thread panicked")?;
        sent?;
        check(received == sum, "messages between threads")?;
        Ok(nanos)
    };
    let pipe = || {
        let mut pipe = PipeStream::new(count)?;
        let (received, nanos) = time(|| (0..count).try_fold(0, |sum, _| Ok(sum + pipe.next()?)));
        let received: io::Result<u64> = received;
        check(received? == sum, "messages through a pipe")?;
        Ok(nanos)
    };
    let [one_by_one, many, threads, pipe] = &take_turns(
        scale.rounds(),
        [&mut { one_by_one }, &mut { many }, &mut { threads }, &mut {
            pipe
        }],
    )?;
    drop(rounds);
    process.join()?;
    let unit = Unit::NanosAnItem(count as usize);
    let one_by_one = ("`send`, `recv`", one_by_one);
    let many = ("`send_many`, `recv_many`", many);
    let (threads, pipe) = (
        ("crossbeam-channel, threads", threads),
        ("`write`, `read` of a pipe", pipe),
    );
    let mut row = |what, ours, theirs, bar| table.add(what, unit, ours, theirs, bar);
    let (single, batched) = (
        "channel of `u64`, one by one",
        "channel of `u64`, in batches",
    );
    row(single, one_by_one, threads, Bar::NanosAnItem(ONE_BY_ONE));
    row(single, one_by_one, pipe, Bar::None);
    row(batched, many, threads, Bar::NanosAnItem(MANY));
    for (name, nanos) in python(scale)? {
        let theirs = Series::of(nanos);
        table.add(single, unit, one_by_one, (&name, &theirs), Bar::None);
    }
    Ok(())
}

/// Nanoseconds of a message in Python's own channels between processes; nothing without Python.
fn python(scale: Scale) -> Outcome<Vec<(String, f64)>> {
    let count = scale.pick(100_000, 5_000);
    let run = Command::new("python3")
        .args(["-c", PYTHON, &count.to_string()])
        .output();
    let Ok(output) = run else {
        return Ok(Vec::new());
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let of_all = scale.pick(1_000_000, 100_000) as f64;
    let entry = |line: &str| -> Outcome<(String, f64)> {
        let (name, nanos) = line.split_once(' ').ok_or("a line of one word")?;
        let nanos: f64 = nanos.parse()?;
        Ok((format!("Python's `{name}`"), nanos * of_all))
    };
    lines.lines().map(entry).collect()
}

/// Prints the nanoseconds of a message for each kind of channel.
const PYTHON: &str = r"
import multiprocessing, sys, time

def put(queue, start, count):
    start.wait()
    for i in range(count):
        queue.put(i)

def send(pipe, start, count):
    start.wait()
    for i in range(count):
        pipe.send(i)

def measure(name, target, end, receive, count):
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=target, args=(end, ready, count))
    process.start()
    before = time.perf_counter()
    ready.set()
    assert sum(receive() for _ in range(count)) == count * (count - 1) // 2
    print(name, (time.perf_counter() - before) * 1e9 / count)
    process.join()

count = int(sys.argv[1])
queue = multiprocessing.Queue()
measure('Queue', put, queue, queue.get, count)
here, there = multiprocessing.Pipe()
measure('Pipe', send, there, here.recv, count)
";

fn round_trip(
    scale: Scale,
    pace: Pace,
    place: Place,
    what: &str,
    table: &mut Table,
) -> Outcome<()> {
    let Some(placed) = Placed::new(place)? else {
        return Ok(());
    };
    let waiting = match place {
        Place::OneCpu => Waiting::Sleep,
        Place::Free | Place::TwoCpus => Waiting::Spin,
    };
    let mut futex = FutexPingPong::new(waiting, step)?;
    let mut socket = SocketPingPong::new(step)?;
    let (pipe, theirs) = channel::pipe()?;
    let process = Process::spawn(answers, theirs)?;
    let pid = Pid::from_raw(process.pid().cast_signed()).ok_or("no process id")?;
    placed.settle(&[futex.peer(), socket.peer(), pid])?;
    let [ours, futex, socket] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                pace.trips(|x| {
                    pipe.send(x)?;
                    Ok(pipe.recv()?)
                })
            },
            &mut || pace.trips(|x| Ok(futex.call(x))),
            &mut || pace.trips(|x| Ok(socket.call(x)?)),
        ],
    )?;
    drop(pipe);
    process.join()?;
    let name = "`pipe.send`, `pipe.recv`";
    table.add(
        what,
        Unit::Micros,
        (name, ours),
        ("futex", futex),
        Bar::None,
    );
    table.add(
        what,
        Unit::Micros,
        (name, ours),
        ("socket pair", socket),
        Bar::None,
    );
    Ok(())
}
