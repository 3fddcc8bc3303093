//! Goes through all states that a model can come to.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A number of actors that make one step at a time, in any order, and some shared state.
pub(super) trait Model: Clone + Eq + Hash + Debug {
    /// All states that one step leads to.
    fn steps(&self) -> Vec<Self>;

    /// True if all have come to their end.
    fn is_done(&self) -> bool;

    /// # Panics
    /// In a state that must not be.
    fn check(&self);
}

/// Gives how many states there are.
///
/// # Panics
/// When there is one that must not be, or one in which nobody can make a step before the end.
pub(super) fn explore<M: Model>(start: M) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        state.check();
        let steps = state.steps();
        assert!(
            !steps.is_empty() || state.is_done(),
            "everybody waits for ever: {state:#?}"
        );
        for next in steps {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen.len()
}
