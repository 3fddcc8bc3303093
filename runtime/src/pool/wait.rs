//! Waiting for results: one thread leads and moves them for all, the others follow.
//!
//! Results come through rings that any thread holding the lock can read, and one bell announces
//! them. Of the threads that wait, one leads: it sleeps on the bell, without the lock, and on each
//! ring reads all rings and fills the mail of every call. The others sleep until their mail comes.
//! When the leader has what it waited for it wakes a follower, which leads from then on. So a lone
//! caller gets its result with one wake-up, and a hundred callers do not all run at each ring.

use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use super::backend::SPIN_NANOS;
use super::guard::StateGuard;
use super::observer::Observer;
use super::select::Selection;
use super::shared::Shared;
use super::state::{Courier, State};
use super::tasks::TaskKey;
use crate::sys::now_nanos;

/// How often to look for news before the lock is given to others, which is after about 1 µs.
const LOOKS: u32 = 96;

/// What wakes a thread that waits while another one leads, besides the end of all work.
#[derive(Debug, Clone, Copy)]
pub(super) enum Interest<'a> {
    Nothing,
    /// Mail of the call, and the end of its last chunk.
    Call(usize),
    /// The end of the task.
    Task(TaskKey),
    /// The end of a task of the selection.
    Selection(&'a Selection),
    /// A callback to be called.
    Callbacks,
}

impl Shared {
    /// Waits for the end of the task, or until `deadline`; says whether it is done.
    pub(super) fn wait_for_task<'a>(
        &'a self,
        state: StateGuard<'a>,
        key: TaskKey,
        deadline: Option<Instant>,
    ) -> (StateGuard<'a>, bool) {
        self.wait_for(state, Interest::Task(key), deadline, |state| {
            state.is_done(key)
        })
    }

    /// Moves results for everybody until `done`, or until `deadline`; says which it was.
    pub(super) fn wait_until<'a>(
        &'a self,
        state: StateGuard<'a>,
        key: Option<usize>,
        deadline: Option<Instant>,
        done: impl Fn(&State) -> bool,
    ) -> (StateGuard<'a>, bool) {
        let interest = key.map_or(Interest::Nothing, Interest::Call);
        self.wait_for(state, interest, deadline, done)
    }

    /// As `wait_until`, for other interests than a call too.
    pub(super) fn wait_for<'a>(
        &'a self,
        mut state: StateGuard<'a>,
        interest: Interest<'_>,
        deadline: Option<Instant>,
        done: impl Fn(&State) -> bool,
    ) -> (StateGuard<'a>, bool) {
        let reached = loop {
            if done(&state) {
                break true;
            }
            if !state.led && self.pump(&mut state) {
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break false;
            }
            state = if state.led {
                self.follow(state, interest, left)
            } else {
                self.lead(state, left, &done)
            };
        };
        if !state.led {
            match state.followers.first() {
                Some(next) => next.notify_one(),
                None if state.courier != Courier::Relieved => {}
                None if state.has_work() => state.wake_courier(),
                // It is asleep, and is woken when there is work for it again.
                None => state.courier = Courier::Idle,
            }
        }
        (state, reached)
    }

    fn follow<'a>(
        &'a self,
        mut state: StateGuard<'a>,
        interest: Interest<'_>,
        left: Option<Duration>,
    ) -> StateGuard<'a> {
        let condvar = Arc::new(Condvar::new());
        state.followers.push(Arc::clone(&condvar));
        interest.set_waiter(&mut state, &condvar, true);
        state = match left {
            None => state.wait(&condvar),
            Some(left) => state.wait_timeout(&condvar, left),
        };
        interest.set_waiter(&mut state, &condvar, false);
        state
            .followers
            .retain(|follower| !Arc::ptr_eq(follower, &condvar));
        state
    }

    fn lead<'a>(
        &'a self,
        mut state: StateGuard<'a>,
        left: Option<Duration>,
        done: &impl Fn(&State) -> bool,
    ) -> StateGuard<'a> {
        let Some(mut sleeper) = state.sleeper.take() else {
            // Another leader is just coming back with it.
            return state;
        };
        state.led = true;
        let mut came = false;
        let most = if self.may_spin(&state) { SPIN_NANOS } else { 0 };
        let spin = state.patience.spin(most);
        if spin > 0 {
            // Most answers come before the clock is worth a look.
            let mut begin = None;
            loop {
                for _ in 0..LOOKS {
                    if state
                        .links
                        .iter()
                        .any(|link| !link.idle() && link.has_news())
                    {
                        break;
                    }
                    std::hint::spin_loop();
                }
                came = self.pump(&mut state) || done(&state);
                if came {
                    let took = begin.map(|begin| now_nanos() - begin);
                    state.patience.hit(spin, took);
                    break;
                }
                let now = now_nanos();
                let took = now - *begin.get_or_insert(now);
                if took >= spin.into() {
                    state.patience.miss(spin, took);
                    break;
                }
                drop(state);
                // The kernel may have put the worker on this very core.
                std::thread::yield_now();
                state = self.lock();
            }
        }
        if !came {
            let announced = sleeper.announce();
            if self.pump(&mut state) || done(&state) {
                sleeper.stay(announced);
            } else {
                let patience = self.patience(&state).into_iter().chain(left).min();
                drop(state);
                let begin = now_nanos();
                sleeper.sleep(announced, patience);
                let slept = now_nanos() - begin;
                state = self.lock();
                state.patience.slept(slept, most);
                self.look_at_rests(&mut state);
            }
        }
        state.led = false;
        state.sleeper = Some(sleeper);
        state
    }
}

impl Shared {
    /// How long the leader may sleep without looking by itself.
    ///
    /// A worker rings when a chunk ends. Results in the middle of one, which somebody may be waiting
    /// for while a slow item runs, are there without a ring.
    fn patience(&self, state: &State) -> Option<Duration> {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let mut running = state.links.iter().filter_map(|link| link.in_flight.front());
        let partial = running.any(|front| state.has_partial_news(&front.chunk));
        let partial = partial.then_some(LOOK_EVERY);
        partial
            .into_iter()
            .chain(self.next_look_at_rests(state))
            .min()
    }
}

impl Interest<'_> {
    /// Has the thread that sleeps on `condvar` woken from now on, or no more.
    fn set_waiter(self, state: &mut State, condvar: &Arc<Condvar>, waits: bool) {
        let waiter = waits.then(|| Arc::clone(condvar));
        match self {
            Self::Nothing => {}
            Self::Call(key) => {
                if let Some(call) = state.calls.get_mut(key) {
                    call.waiter = waiter;
                }
            }
            Self::Task(key) => match waiter {
                Some(waiter) => state.observe(key, Observer::Thread(waiter)),
                None => drop(state.unobserve(
                    key,
                    |one| matches!(one, Observer::Thread(other) if Arc::ptr_eq(other, condvar)),
                )),
            },
            Self::Selection(selection) => selection.set_waiter(waiter),
            Self::Callbacks => state.callbacks.waiter = waiter,
        }
    }
}
