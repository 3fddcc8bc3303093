//! Channels: small messages from one process to another, one by one and many at once, and round trips.

use std::thread;

use parproc::channel::{self, Pipe, Receiver, Sender};
use parproc::{Process, parallel};
use rustix::process::Pid;

use super::measure::{Outcome, Scale, check, take_turns, time};
use super::place::{Place, Placed};
use super::raw::{FutexPingPong, SocketPingPong, Waiting};
use super::round_trip::{Pace, step};
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
    let [one_by_one, many, threads] = &take_turns(
        scale.rounds(),
        [&mut { one_by_one }, &mut { many }, &mut { threads }],
    )?;
    drop(rounds);
    process.join()?;
    let unit = Unit::NanosAnItem(count as usize);
    let theirs = ("crossbeam-channel, threads", threads);
    let mut row = |what, ours, bar| table.add(what, unit, ours, theirs, bar);
    row(
        "channel of `u64`, one by one",
        ("`send`, `recv`", one_by_one),
        Bar::NanosAnItem(ONE_BY_ONE),
    );
    row(
        "channel of `u64`, in batches",
        ("`send_many`, `recv_many`", many),
        Bar::NanosAnItem(MANY),
    );
    Ok(())
}

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
