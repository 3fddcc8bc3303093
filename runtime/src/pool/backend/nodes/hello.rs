//! Who the ranks are, and how many workers each of them has.

use std::collections::HashMap;

use super::message::Hello;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::table;
use crate::sys::{allowed_cpus, cpus, host_name, now_nanos, started};

/// How many workers a rank has; without it, its share of its machine's CPUs.
pub(super) const SLOTS: &str = "PARPROC_SLOTS";

impl Hello {
    /// What this rank says of itself. The functions of the program have to be registered.
    pub(super) fn own() -> Result<Self> {
        Ok(Self {
            host: host_name(),
            pid: std::process::id(),
            started: started(std::process::id()),
            now: now_nanos(),
            cpus: cpus(),
            which: allowed_cpus(),
            slots: slots_of_environment()?,
            fingerprint: table()?.fingerprint(),
            program: std::env::current_exe().unwrap_or_default(),
        })
    }
}

fn slots_of_environment() -> Result<Option<usize>> {
    let Some(value) = std::env::var_os(SLOTS).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let number = value.to_str().and_then(|value| value.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::Invalid {
            what: format!("{SLOTS}={}: it has to be a whole number", value.display()),
        })
    })
}

/// How many workers each rank has: what it says, or its share of the CPUs that it has in common with others. Rank
/// 0, where `main` runs, keeps one of its share for that.
pub(super) fn slots(ranks: &[Hello]) -> Vec<usize> {
    let mut sharers: HashMap<(&str, u64), usize> = HashMap::new();
    for rank in ranks {
        *sharers.entry((&rank.host, rank.which)).or_default() += 1;
    }
    let share = |(index, rank): (usize, &Hello)| {
        let sharers = sharers[&(rank.host.as_str(), rank.which)];
        let share = (rank.cpus / sharers).max(1);
        rank.slots.unwrap_or(share - usize::from(index == 0))
    };
    ranks.iter().enumerate().map(share).collect()
}

/// Divides so many workers among ranks that have so many slots, in proportion. Where there are none, rank 0 has
/// them.
pub(super) fn divide(workers: usize, slots: &[usize]) -> Vec<usize> {
    let all: usize = slots.iter().sum();
    if all == 0 {
        let rest = slots.iter().skip(1).map(|_| 0);
        return std::iter::once(workers).chain(rest).collect();
    }
    let mut before = 0;
    let mut given = 0;
    let part = |slots: &usize| {
        before += slots;
        let upto = (workers * before).div_ceil(all);
        let part = upto - given;
        given = upto;
        part
    };
    slots.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(host: &str, cpus: usize, which: u64) -> Hello {
        Hello {
            host: host.to_owned(),
            pid: 1,
            started: None,
            now: 0,
            cpus,
            which,
            slots: None,
            fingerprint: 0,
            program: "program".into(),
        }
    }

    #[test]
    fn ranks_share_the_cpus_of_their_machine() {
        let ranks = [rank("a", 8, 1), rank("a", 8, 1), rank("b", 8, 1)];
        assert_eq!(slots(&ranks), [3, 4, 8]);
        let bound = [rank("a", 1, 1), rank("a", 1, 2), rank("a", 1, 4)];
        assert_eq!(slots(&bound), [0, 1, 1]);
        let crowded = [rank("a", 2, 3), rank("a", 2, 3), rank("a", 2, 3)];
        assert_eq!(slots(&crowded), [0, 1, 1]);
    }

    #[test]
    fn what_is_said_counts() {
        let mut ranks = [rank("a", 8, 1), rank("a", 8, 1)];
        ranks[0].slots = Some(2);
        assert_eq!(slots(&ranks), [2, 4]);
    }

    #[test]
    fn workers_are_divided_in_proportion() {
        assert_eq!(divide(2, &[0, 1, 1]), [0, 1, 1]);
        assert_eq!(divide(6, &[3, 4, 8]).iter().sum::<usize>(), 6);
        assert_eq!(divide(30, &[3, 4, 8]), [6, 8, 16]);
        assert_eq!(divide(1, &[0, 1, 1]), [0, 1, 0]);
        assert_eq!(divide(5, &[0, 0]), [5, 0]);
    }
}
