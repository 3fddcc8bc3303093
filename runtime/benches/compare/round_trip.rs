//! One small task there and back, for which the caller waits.

use std::time::Duration;

use parproc::parallel;

use super::measure::{Outcome, Scale, check, cpus, median, pool, take_turns, time};
use super::raw::{FutexPingPong, SocketPingPong};
use super::table::{Bar, Table, Unit};

/// As long as a pool and its workers spin.
const SPIN: Duration = Duration::from_micros(50);
const SILENCE: Duration = Duration::from_millis(10);
const MOST: f64 = 3.0;

#[parallel]
fn step(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
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
    compare(scale, tight, "in a tight loop", table)?;
    let rare = Pace {
        trips: scale.pick(20, 3),
        together: 1,
        silence: Some(SILENCE),
    };
    compare(scale, rare, "after 10 ms of silence", table)
}

fn compare(scale: Scale, pace: Pace, when: &str, table: &mut Table) -> Outcome<()> {
    let mut spinning = FutexPingPong::new(SPIN, step)?;
    let mut sleeping = FutexPingPong::new(Duration::ZERO, step)?;
    let mut socket = SocketPingPong::new(step)?;
    let pool = pool(cpus())?;

    let series = take_turns(
        scale.rounds(),
        [
            &mut || pace.trips(|x| Ok(pool.spawn(step, x)?.join()?)),
            &mut || pace.trips(|x| Ok(spinning.call(x))),
            &mut || pace.trips(|x| Ok(pool.map(step, [x])?[0])),
            &mut || pace.trips(|x| Ok(sleeping.call(x))),
            &mut || pace.trips(|x| Ok(socket.call(x)?)),
        ],
    )?;
    let [spawn, spinning, map, sleeping, socket] = &series;
    for (name, ours) in [("`spawn(f, x)?.join()?`", spawn), ("`map(f, [x])?`", map)] {
        for (other, theirs, bar) in [
            ("futex, spins 50 µs", spinning, Bar::Ratio(MOST)),
            ("futex, sleeps at once", sleeping, Bar::None),
            ("socket pair", socket, Bar::None),
        ] {
            let what = format!("round trip {when}");
            table.add(what, Unit::Micros, (name, ours), (other, theirs), bar);
        }
    }
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
