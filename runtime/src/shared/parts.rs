//! Who has the parts of a split array: one word for each part, and how it changes.
//!
//! | state | who | may become |
//! | --- | --- | --- |
//! | back | nobody | owned, by a handle with its ticket: a second attempt of a task |
//! | broken | nobody: who had it last panicked | the same |
//! | owned | one handle in the member | back, broken, moving; owned by another member once this one is dead |
//! | moving | a message that the member wrote | owned, by who reads the message; back, when it is reclaimed |
//!
//! Every change is one compare-exchange of the whole word, so a process that is killed has done it or
//! not. The ticket is counted up whenever the part goes into a message, so only the last message that
//! carried a part can give it to somebody, and to one at a time.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A process of the family, in 44 bits that tell it from later ones in its place.
pub(super) type Member = u64;

/// What the word of a part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) state: State,
    pub(super) ticket: u32,
    pub(super) member: Member,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Back,
    Owned,
    Moving,
    Broken,
}

/// Where the state stands in the word, and the ticket; the member is below.
const STATE: u32 = 62;
const TICKET: u32 = 44;
const TICKETS: u32 = (1 << (STATE - TICKET)) - 1;
const MEMBERS: Member = (1 << TICKET) - 1;

impl Holder {
    pub(super) fn to_word(self) -> u64 {
        let state = match self.state {
            State::Back => 0,
            State::Owned => 1,
            State::Moving => 2,
            State::Broken => 3,
        };
        let ticket = u64::from(self.ticket & TICKETS);
        state << STATE | ticket << TICKET | self.member & MEMBERS
    }

    pub(super) fn of_word(word: u64) -> Self {
        let state = match word >> STATE {
            1 => State::Owned,
            2 => State::Moving,
            3 => State::Broken,
            _ => State::Back,
        };
        Self {
            state,
            ticket: (word >> TICKET) as u32 & TICKETS,
            member: word & MEMBERS,
        }
    }

    /// Whether somebody may still use the part: it is not back, and who has it lives.
    pub(super) fn is_out(self, alive: impl FnOnce(Member) -> bool) -> bool {
        matches!(self.state, State::Owned | State::Moving) && alive(self.member)
    }

    /// Whether its owner died or panicked, perhaps in the middle of a change.
    pub(super) fn is_lost(self, alive: impl FnOnce(Member) -> bool) -> bool {
        match self.state {
            State::Owned => !alive(self.member),
            State::Broken => true,
            State::Back | State::Moving => false,
        }
    }
}

/// Why a part was not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It went on with a later message.
    Gone,
    /// A living process owns it.
    Owned(Member),
}

/// The word of one part.
#[derive(Debug)]
pub(super) struct Part<'a>(pub(super) &'a AtomicU64);

impl Part<'_> {
    pub(super) fn holder(&self) -> Holder {
        Holder::of_word(self.0.load(SeqCst))
    }

    /// Makes `me` the owner, as the holder of the message with that ticket.
    pub(super) fn claim(
        &self,
        ticket: u32,
        me: Member,
        alive: impl Fn(Member) -> bool,
    ) -> Result<(), Refusal> {
        let mut word = self.0.load(SeqCst);
        loop {
            let holder = Holder::of_word(word);
            if holder.ticket != ticket {
                return Err(Refusal::Gone);
            }
            if holder.state == State::Owned && alive(holder.member) {
                return Err(Refusal::Owned(holder.member));
            }
            let mine = Holder {
                state: State::Owned,
                ticket,
                member: me,
            };
            match self
                .0
                .compare_exchange(word, mine.to_word(), SeqCst, SeqCst)
            {
                Ok(_) => return Ok(()),
                Err(found) => word = found,
            }
        }
    }

    /// Puts the part, which `me` owns, into a message, and gives the ticket to write there.
    pub(super) fn depart(&self, ticket: u32, me: Member) -> Option<u32> {
        let next = ticket.wrapping_add(1) & TICKETS;
        let moving = Holder {
            state: State::Moving,
            ticket: next,
            member: me,
        };
        self.change(State::Owned, ticket, me, moving)
            .then_some(next)
    }

    /// Whether the message with that ticket, which `me` wrote, was not read yet.
    pub(super) fn is_under_way(&self, ticket: u32, me: Member) -> bool {
        let moving = Holder {
            state: State::Moving,
            ticket,
            member: me,
        };
        self.0.load(SeqCst) == moving.to_word()
    }

    /// Gives back the part that `me` owns, in the middle of a panic or not.
    pub(super) fn give_back(&self, ticket: u32, me: Member, panicked: bool) -> bool {
        let state = if panicked { State::Broken } else { State::Back };
        let back = Holder {
            state,
            ticket,
            member: me,
        };
        self.change(State::Owned, ticket, me, back)
    }

    /// Takes the part out of the message that it is in, which is of no use then.
    pub(super) fn reclaim(&self) -> bool {
        let mut word = self.0.load(SeqCst);
        loop {
            let holder = Holder::of_word(word);
            if holder.state != State::Moving {
                return false;
            }
            let back = Holder {
                state: State::Back,
                ticket: holder.ticket.wrapping_add(1) & TICKETS,
                member: holder.member,
            };
            match self
                .0
                .compare_exchange(word, back.to_word(), SeqCst, SeqCst)
            {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
    }

    fn change(&self, state: State, ticket: u32, me: Member, new: Holder) -> bool {
        let expected = Holder {
            state,
            ticket,
            member: me,
        };
        let result = self
            .0
            .compare_exchange(expected.to_word(), new.to_word(), SeqCst, SeqCst);
        result.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(word: &AtomicU64, ticket: u32, member: Member) {
        let holder = Holder {
            state: State::Owned,
            ticket,
            member,
        };
        word.store(holder.to_word(), SeqCst);
    }

    #[test]
    fn a_word_says_what_was_put_in() {
        for state in [State::Back, State::Owned, State::Moving, State::Broken] {
            for (ticket, member) in [(0, 0), (1, 7), (TICKETS, MEMBERS)] {
                let holder = Holder {
                    state,
                    ticket,
                    member,
                };
                assert_eq!(Holder::of_word(holder.to_word()), holder);
            }
        }
    }

    #[test]
    fn one_reader_of_a_message_gets_the_part() {
        let word = AtomicU64::new(0);
        let part = Part(&word);
        owned(&word, 0, 1);
        let ticket = part.depart(0, 1).unwrap();
        assert!(part.is_under_way(ticket, 1));
        assert_eq!(part.claim(0, 2, |_| true), Err(Refusal::Gone));
        assert_eq!(part.claim(ticket, 2, |_| true), Ok(()));
        assert_eq!(part.claim(ticket, 3, |_| true), Err(Refusal::Owned(2)));
        assert_eq!(part.claim(ticket, 2, |_| true), Err(Refusal::Owned(2)));
        assert!(part.depart(0, 1).is_none());
    }

    #[test]
    fn the_part_of_a_dead_owner_goes_to_the_second_attempt() {
        let word = AtomicU64::new(0);
        let part = Part(&word);
        owned(&word, 0, 1);
        let ticket = part.depart(0, 1).unwrap();
        part.claim(ticket, 2, |_| true).unwrap();
        assert!(part.holder().is_lost(|member| member != 2));
        assert_eq!(part.claim(ticket, 3, |member| member != 2), Ok(()));
        assert!(!part.give_back(ticket, 2, false));
        assert!(part.give_back(ticket, 3, false));
        assert!(!part.holder().is_out(|_| true));
    }

    #[test]
    fn the_part_of_a_panic_is_lost_unless_a_second_attempt_ends_well() {
        let word = AtomicU64::new(0);
        let part = Part(&word);
        owned(&word, 0, 1);
        let ticket = part.depart(0, 1).unwrap();
        part.claim(ticket, 2, |_| true).unwrap();
        assert!(part.give_back(ticket, 2, true));
        assert!(!part.holder().is_out(|_| true));
        assert!(part.holder().is_lost(|_| true));
        part.claim(ticket, 3, |_| true).unwrap();
        assert!(!part.holder().is_lost(|_| true));
        assert!(part.give_back(ticket, 3, false));
        assert!(!part.holder().is_lost(|_| true));
    }

    #[test]
    fn a_message_whose_part_was_reclaimed_gives_nothing() {
        let word = AtomicU64::new(0);
        let part = Part(&word);
        owned(&word, 0, 1);
        assert!(!part.reclaim());
        let ticket = part.depart(0, 1).unwrap();
        assert!(part.reclaim());
        assert_eq!(part.claim(ticket, 2, |_| true), Err(Refusal::Gone));
    }

    /// All orders of the steps of two readers of one message, its sender who reclaims it, and a death.
    #[test]
    fn no_order_of_steps_gives_a_part_to_two() {
        fn explore(word: u64, done: u32, owners: [bool; 4], alive: [bool; 4], states: &mut u32) {
            *states += 1;
            assert!(
                owners
                    .iter()
                    .zip(alive)
                    .filter(|(owns, lives)| **owns && *lives)
                    .count()
                    < 2
            );
            for step in 0..8 {
                if done & 1 << step != 0 {
                    continue;
                }
                let cell = AtomicU64::new(word);
                let part = Part(&cell);
                let (mut owners, mut alive) = (owners, alive);
                let is_alive = |member: Member| alive[member as usize];
                match step {
                    // Members 2 and 3 read the message, twice each.
                    0..=3 => {
                        let me = 2 + step as usize % 2;
                        if alive[me] && part.claim(1, me as u64, is_alive).is_ok() {
                            assert!(!owners[me]);
                            owners[me] = true;
                        }
                    }
                    4 | 5 => {
                        let me = step as usize - 2;
                        if owners[me] && alive[me] {
                            assert!(part.give_back(1, me as u64, step == 5));
                            owners[me] = false;
                        }
                    }
                    6 => alive[2] = false,
                    _ => {
                        if part.reclaim() {
                            assert!(!owners[2] && !owners[3] || !alive[2]);
                        }
                    }
                }
                let word = cell.load(SeqCst);
                explore(word, done | 1 << step, owners, alive, states);
            }
        }
        let word = AtomicU64::new(0);
        owned(&word, 0, 1);
        Part(&word).depart(0, 1).unwrap();
        let mut states = 0;
        explore(word.load(SeqCst), 0, [false; 4], [true; 4], &mut states);
        assert!(states > 10_000, "{states}");
    }
}
