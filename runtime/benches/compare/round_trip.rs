//! One small task there and back, for which the caller waits.

use std::time::Duration;

use parproc::parallel;
use rustix::process::Pid;

use super::measure::{Outcome, Scale, check, cpus, median, pool, take_turns, time};
use super::place::{Place, Placed};
use super::raw::{FutexPingPong, SocketPingPong, Waiting};
use super::table::{Bar, Table, Unit};

const SILENCE: Duration = Duration::from_millis(10);
const MOST: f64 = 3.0;

const SPINS: &str = "futex, spins 50 µs";
const YIELDS: &str = "futex, spins and yields";
const SLEEPS: &str = "futex, sleeps at once";
const SOCKET: &str = "socket pair";

#[parallel]
fn step(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

#[parallel]
fn process_id() -> i32 {
    std::process::id().cast_signed()
}

/// How the caller calls.
#[derive(Debug, Clone, Copy)]
struct Pace {
    trips: usize,
    /// Trips that are timed together, so that reading the clock does not count.
    together: usize,
    /// Before each of them.
    silence: Option<Duration>,
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let tight = Pace {
        trips: scale.pick(5000, 200),
        together: 20,
        silence: None,
    };
    let rare = Pace {
        trips: scale.pick(15, 3),
        together: 1,
        silence: Some(SILENCE),
    };
    for (pace, when) in [(tight, "in a tight loop"), (rare, "after 10 ms of silence")] {
        for (place, name) in [
            (Place::TwoCpus, "between two CPUs"),
            (Place::OneCpu, "on one CPU"),
            (Place::Free, "free"),
        ] {
            let what = format!("round trip {when}, {name}");
            compare(scale, pace, place, &what, table)?;
        }
    }
    Ok(())
}

fn compare(scale: Scale, pace: Pace, place: Place, what: &str, table: &mut Table) -> Outcome<()> {
    // Before a pool on one CPU is made, so that the pool knows that there is only one.
    let Some(placed) = Placed::here(place)? else {
        return Ok(());
    };
    let futex = |waiting| -> Outcome<_> {
        let ping_pong = FutexPingPong::new(waiting, step)?;
        placed.put(ping_pong.peer())?;
        Ok(ping_pong)
    };
    let mut spinning = futex(Waiting::Spin)?;
    let mut yielding = futex(Waiting::SpinAndYield)?;
    let mut sleeping = futex(Waiting::Sleep)?;
    let mut socket = SocketPingPong::new(step)?;
    placed.put(socket.peer())?;
    // Of its workers only one is ever started here.
    let pool = pool(cpus())?;
    let worker = Pid::from_raw(pool.spawn(process_id, ())?.join()?);
    placed.put(worker.ok_or("a worker has no process id")?)?;

    let series = take_turns(
        scale.rounds(),
        [
            &mut || pace.trips(|x| Ok(pool.spawn(step, x)?.join()?)),
            &mut || pace.trips(|x| Ok(spinning.call(x))),
            &mut || pace.trips(|x| Ok(pool.map(step, [x])?[0])),
            &mut || pace.trips(|x| Ok(yielding.call(x))),
            &mut || pace.trips(|x| Ok(sleeping.call(x))),
            &mut || pace.trips(|x| Ok(socket.call(x)?)),
        ],
    )?;
    let [spawn, spinning, map, yielding, sleeping, socket] = &series;
    let spawn = ("`spawn(f, x)?.join()?`", spawn);
    let map = ("`map(f, [x])?`", map);
    let mut row = |ours, theirs, bar| table.add(what, Unit::Micros, ours, theirs, bar);
    // The other one waits as the pool does: it spins only where two CPUs are free for it.
    let alike = match place {
        Place::OneCpu => (SLEEPS, sleeping),
        Place::Free | Place::TwoCpus => (SPINS, spinning),
    };
    row(spawn, alike, Bar::Ratio(MOST));
    row(map, alike, Bar::Ratio(MOST));
    if place == Place::Free {
        row(spawn, (YIELDS, yielding), Bar::None);
        row(spawn, (SLEEPS, sleeping), Bar::None);
    }
    row(spawn, (SOCKET, socket), Bar::None);
    Ok(())
}

impl Pace {
    /// The median time of a trip in nanoseconds.
    fn trips(self, mut call: impl FnMut(u64) -> Outcome<u64>) -> Outcome<f64> {
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
