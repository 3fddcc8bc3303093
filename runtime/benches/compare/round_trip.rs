//! One small task there and back, for which the caller waits.

use std::time::Duration;

use parproc::parallel;
use rustix::process::Pid;

use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, check, cpus, median, pool, take_turns, threads, time};
use super::peers::work::{Request, step};
use super::peers::{farms, python};
use super::place::{Place, Placed};
use super::raw::{FutexPingPong, SocketPingPong, Waiting};
use super::row::{Limit, Row};
use super::table::{Bar, Table, Unit};

const SILENCE: Duration = Duration::from_millis(10);
const MOST: f64 = 3.0;

const SPAWN: &str = "`spawn(f, x)?.join()?`";
const SPINS: &str = "futex, spins 50 µs";
const YIELDS: &str = "futex, spins and yields";
const SLEEPS: &str = "futex, sleeps at once";
const SOCKET: &str = "socket pair";

#[parallel]
fn process_id() -> i32 {
    std::process::id().cast_signed()
}

/// How the caller calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    trips: usize,
    /// Trips that are timed together, so that reading the clock does not count.
    together: usize,
    /// Before each of them.
    silence: Option<Duration>,
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    for (pace, when) in Pace::both(scale) {
        for (place, name) in [
            (Place::TwoCpus, "between two CPUs"),
            (Place::OneCpu, "on one CPU"),
            (Place::Free, "free"),
        ] {
            let what = format!("round trip {when}, {name}");
            contest(scale, pace, place, &what, table)?;
            compare(scale, pace, place, &what, table)?;
            if place == Place::Free {
                compare_waiting(scale, pace, &what, table)?;
            }
        }
    }
    Ok(())
}

fn compare(scale: Scale, pace: Pace, place: Place, what: &str, table: &mut Table) -> Outcome<()> {
    let Some(placed) = Placed::new(place)? else {
        return Ok(());
    };
    // The other one waits as the pool does, which spins only where two CPUs are free for it.
    let (alike, alike_name) = match place {
        Place::OneCpu => (Waiting::Sleep, SLEEPS),
        Place::Free | Place::TwoCpus => (Waiting::Spin, SPINS),
    };
    let mut futex = FutexPingPong::new(alike, step)?;
    let mut socket = SocketPingPong::new(step)?;
    // A second worker would not be in its place.
    let pool = pool(if place == Place::Free { cpus() } else { 1 })?;
    let worker = Pid::from_raw(pool.spawn(process_id, ())?.join()?);
    let worker = worker.ok_or("a worker has no process id")?;
    placed.settle(&[futex.peer(), socket.peer(), worker])?;

    let [spawn, futex, map, socket] = &take_turns(
        scale.rounds(),
        [
            &mut || pace.trips(|x| Ok(pool.spawn(step, x)?.join()?)),
            &mut || pace.trips(|x| Ok(futex.call(x))),
            &mut || pace.trips(|x| Ok(pool.map(step, [x])?[0])),
            &mut || pace.trips(|x| Ok(socket.call(x)?)),
        ],
    )?;
    let (spawn, map) = ((SPAWN, spawn), ("`map(f, [x])?`", map));
    let mut row = |ours, theirs, bar| table.add(what, Unit::Micros, ours, theirs, bar);
    row(spawn, (alike_name, futex), Bar::Ratio(MOST));
    row(map, (alike_name, futex), Bar::Ratio(MOST));
    row(spawn, (SOCKET, socket), Bar::None);
    Ok(())
}

/// All peers, where it is known on which CPUs they are.
fn contest(scale: Scale, pace: Pace, place: Place, what: &str, table: &mut Table) -> Outcome<()> {
    let Some(placed) = Placed::new(place)?.filter(|_| place != Place::Free) else {
        return Ok(());
    };
    let (waiting, note) = match (place, pace.silence) {
        (Place::TwoCpus, None) => (Waiting::Spin, "by hand: a futex, after 50 µs of spinning"),
        _ => (Waiting::Sleep, "by hand: a futex"),
    };
    let mut futex = FutexPingPong::new(waiting, step)?;
    let mut socket = SocketPingPong::new(step)?;
    let pool = pool(1)?;
    let worker = Pid::from_raw(pool.spawn(process_id, ())?.join()?);
    let thread = threads(1)?;
    let mut farms = farms(1)?;
    let mut pids = vec![futex.peer(), socket.peer(), worker.ok_or("no process id")?];
    for farm in &mut farms {
        pids.push(farm.pid()?);
    }
    placed.settle(&pids)?;

    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        pace.trips(|x| Ok(pool.spawn(step, x)?.join()?))
    });
    contest.enter(Who::Hand, || pace.trips(|x| Ok(futex.call(x))));
    contest.enter(Who::Socket, || pace.trips(|x| Ok(socket.call(x)?)));
    contest.enter(Who::Rayon, || {
        pace.trips(|x| Ok(thread.install(|| step(x))))
    });
    for mut farm in farms {
        contest.enter(farm.who(), move || {
            pace.trips(|x| Ok(farm.call(Request::Step(x))?.number()?))
        });
    }
    let silence = pace.silence.unwrap_or_default().as_millis();
    python::enter(
        &mut contest,
        1,
        &format!("trip {silence} {}", scale.pick(100, 10)),
    );
    let bars = match (place, pace.silence) {
        (Place::TwoCpus, None) => [2.0, 1.3].map(|most| Limit::Times(most, Who::Hand)),
        (_, Some(_)) => [1.15, 1.0].map(|most| Limit::Times(most, Who::Hand)),
        _ => [Limit::None; 2],
    };
    let [bar, moonshot] = bars;
    let row = Row::of(what, Unit::Micros, contest)?.note(note);
    table.contest(row.bars(bar, moonshot));
    Ok(())
}

/// Against the other ways to wait.
fn compare_waiting(scale: Scale, pace: Pace, what: &str, table: &mut Table) -> Outcome<()> {
    let mut yielding = FutexPingPong::new(Waiting::SpinAndYield, step)?;
    let mut sleeping = FutexPingPong::new(Waiting::Sleep, step)?;
    let pool = pool(cpus())?;
    let [spawn, yielding, sleeping] = &take_turns(
        scale.rounds(),
        [
            &mut || pace.trips(|x| Ok(pool.spawn(step, x)?.join()?)),
            &mut || pace.trips(|x| Ok(yielding.call(x))),
            &mut || pace.trips(|x| Ok(sleeping.call(x))),
        ],
    )?;
    for theirs in [(YIELDS, yielding), (SLEEPS, sleeping)] {
        table.add(what, Unit::Micros, (SPAWN, spawn), theirs, Bar::None);
    }
    Ok(())
}

impl Pace {
    /// With no pause and with long ones, and what that is called.
    pub(crate) fn both(scale: Scale) -> [(Self, &'static str); 2] {
        let tight = Pace {
            trips: scale.pick(2000, 200),
            together: 20,
            silence: None,
        };
        let rare = Pace {
            trips: scale.pick(10, 3),
            together: 1,
            silence: Some(SILENCE),
        };
        [(tight, "in a tight loop"), (rare, "after 10 ms of silence")]
    }

    /// The median time of a trip in nanoseconds.
    pub(crate) fn trips(self, mut call: impl FnMut(u64) -> Outcome<u64>) -> Outcome<f64> {
        let mut times = Vec::new();
        let mut x = 1;
        for _ in 0..self.trips / self.together {
            if let Some(silence) = self.silence {
                std::thread::sleep(silence);
            }
            let (result, nanos) = time(|| (0..self.together).try_fold(x, |x, _| call(x)));
            let expected = (0..self.together).fold(x, |x, _| step(x));
            x = result?;
            check(x == expected, "a round trip")?;
            times.push(nanos / self.together as f64);
        }
        Ok(median(times))
    }
}
