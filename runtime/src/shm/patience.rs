//! How long it pays to look for news again and again before one sleeps.
//!
//! Looking finds an answer that is on its way some 40 us sooner than sleeping does; where none is, it
//! takes a CPU from others, for nothing. So who looks in vain looks for half as long the next time, and
//! for as long as he may again after a sleep that was short: looking would nearly have done. Who had to
//! wait for a CPU in between has no CPU to spare: he does not look at all for a while.

/// How often the time is halved at most.
const HALVINGS: u32 = 5;
/// A sleep is short up to so many times the time to look.
const SHORT: u64 = 2;
/// He was not let go on if it took so many times as long as it should.
const STRETCHED: u64 = 4;
/// A shorter time says nothing of that.
const LEAST: u64 = 25_000;
/// So many times he does not look then: others run for milliseconds each time that he lets them.
const PENALTY: u32 = 500;

/// What one who waits has learnt of looking.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Times in a row that were in vain.
    misses: u32,
    /// Times not to look.
    penalty: u32,
}

impl Patience {
    /// How long to look this time, of `most` nanoseconds.
    pub(crate) fn spin(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        if self.penalty > 0 {
            self.penalty -= 1;
            return 0;
        }
        most >> self.misses
    }

    /// There was news in time; or when looking had taken `took` nanoseconds of `spin`, if that was asked.
    #[inline]
    pub(crate) fn hit(&mut self, spin: u32, took: Option<u64>) {
        self.misses = 0;
        if let Some(took) = took {
            self.stretch(spin, took);
        }
    }

    /// There was none within `spin` nanoseconds, which took `took`.
    pub(crate) fn miss(&mut self, spin: u32, took: u64) {
        self.misses = (self.misses + 1).min(HALVINGS);
        self.stretch(spin, took);
    }

    fn stretch(&mut self, spin: u32, took: u64) {
        if took > STRETCHED * u64::from(spin).max(LEAST) {
            self.penalty = PENALTY;
        }
    }

    /// He slept for `nanos` nanoseconds, and may look for `most`.
    pub(crate) fn slept(&mut self, nanos: u64, most: u32) {
        if nanos < SHORT * u64::from(most) {
            self.misses = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 50_000;

    #[test]
    fn who_finds_news_looks_for_the_full_time() {
        let mut patience = Patience::default();
        for _ in 0..10 {
            assert_eq!(patience.spin(MOST), MOST);
            patience.hit(MOST, None);
        }
        assert_eq!(patience.spin(0), 0);
    }

    #[test]
    fn looking_in_vain_costs_little_soon_until_a_sleep_is_short() {
        let mut patience = Patience::default();
        for _ in 0..HALVINGS {
            let spin = patience.spin(MOST);
            patience.miss(spin, spin.into());
            patience.slept(10_000_000, MOST);
        }
        assert_eq!(patience.spin(MOST), MOST >> HALVINGS);
        patience.slept(60_000, MOST);
        assert_eq!(patience.spin(MOST), MOST);
    }

    #[test]
    fn who_had_to_wait_for_a_cpu_does_not_look_for_a_while() {
        let mut patience = Patience::default();
        patience.hit(MOST, Some(3_000_000));
        let rests = (0..).take_while(|_| patience.spin(MOST) == 0).count();
        assert_eq!(rests, PENALTY as usize);
        patience.miss(MOST, 3_000_000);
        assert_eq!(patience.spin(MOST), 0);
    }
}
