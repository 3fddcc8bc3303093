//! How those who sleep until something changes are told, though anybody may be killed at any point.
//!
//! There are two such signs in a channel: that there is news, which senders give to receivers, and that there
//! is room, which receivers give to senders. Each has a flag and a bell that stays audible until it
//! is lowered. Everything happens under the lock of those who [`tell`], so tellers come one after the
//! other, and who [`ask`]s comes between two of them:
//!
//! 1. Who wants to sleep looks under the lock. If there is nothing, it asks: the flag is set, and a bell that
//!    rang for something that is gone is lowered. Then it sleeps, without the lock, until the bell is
//!    audible.
//! 2. Who changes something reads the flag first. If it is set, the bell is rung, and then the flag
//!    cleared. Only then the change is made.
//!
//! So whenever something is there that was not when somebody asked, the bell is audible: it is lowered
//! only while there is nothing, with the flag set. That holds after a kill between any two steps, since the
//! bell is rung before the flag is cleared, and the flag set before the bell is lowered. Who is
//! woken too early waits for the lock and looks again.
//!
//! Any number can sleep at once, and nobody has to count them.

/// The flag and the bell.
pub(super) trait Sign {
    fn is_wanted(&self) -> bool;
    fn set_wanted(&self, wanted: bool);
    /// Makes the bell audible to all who sleep, and who will.
    fn ring(&self);
    fn lower(&self);
}

/// Wakes those who asked. The caller has the lock, and makes its change afterwards.
#[inline]
pub(super) fn tell(sign: &impl Sign) {
    if sign.is_wanted() {
        sign.ring();
        sign.set_wanted(false);
    }
}

/// Asks to be woken. The caller has the lock, and has looked; `woken` says that it slept and was woken.
pub(super) fn ask(sign: &impl Sign, woken: bool) {
    let was_wanted = sign.is_wanted();
    sign.set_wanted(true);
    if woken || !was_wanted {
        sign.lower();
    }
}
