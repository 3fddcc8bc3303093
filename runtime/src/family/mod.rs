//! The family: the program and all worker processes below it, and who of them is alive.
//!
//! One segment, which every member inherits. The program makes it before it starts a worker or shares
//! something, and keeps it as long as it does. It holds a slot for each process and the word `deaths`:
//!
//! 1. A parent [reserves](Place::reserve) a slot for a child before it starts the child, and frees it when
//!    it has buried the child, however that ended. Then it increments `deaths` and wakes all who
//!    sleep on it.
//! 2. A slot that is used again has another generation, so that a [`Member`] names one process for
//!    ever.
//! 3. Whoever waits for another process sleeps on its own word and on `deaths` at once: [`wait`]. After
//!    each death all of them look who is gone.
//! 4. Who buries a process frees the slots of those below it as well, and counts them, when they end
//!    in the same instant, as they do. One that lives on is alive as long as the system says so; its slot
//!    goes to the next child that needs one.
//!
//! What is shared keeps a word for each slot where it counts what each process has of it. A process has the
//! segment for reading only, until it starts workers itself: a task that overwrites all memory that
//! it can write does not reach it.

mod segment;
mod slots;
mod wait;

pub(crate) use segment::{Family, Place, family, join};
pub(crate) use slots::{Member, SLOTS};
pub(crate) use wait::Wake;

#[cfg(test)]
mod tests;
