//! How one side uses its ring and its bells, for the models and for the real segment alike.

use crate::shm::{Consumer, Memory, Park, Producer, Ringer, Sleeper};

/// One side: where it sleeps, and how it wakes the other.
pub(super) struct Side<P, Q> {
    sleeper: Sleeper<P>,
    ringer: Ringer<Q>,
}

impl<P: Park, Q: Park> Side<P, Q> {
    pub(super) fn new(own: P, other: Q) -> Self {
        Self {
            sleeper: Sleeper::new(own),
            ringer: Ringer::new(other),
        }
    }

    pub(super) fn wake_other(&mut self) {
        self.ringer.ring();
    }

    /// Sleeps until there is news.
    pub(super) fn wait(&mut self, news: impl FnMut() -> bool) {
        wait(&mut self.sleeper, news);
    }

    /// Writes all of `bytes`, in as many pieces as it takes.
    pub(super) fn send<M: Memory>(&mut self, producer: &mut Producer<M>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let len = producer.write(bytes).unwrap();
            if len > 0 {
                producer.publish();
                self.wake_other();
                bytes = &bytes[len..];
            } else {
                self.wait(|| producer.room().unwrap() > 0);
            }
        }
    }

    /// Fills all of `bytes`, in as many pieces as they come in.
    pub(super) fn receive<M: Memory>(&mut self, consumer: &mut Consumer<M>, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let len = consumer.read(bytes).unwrap();
            if len > 0 {
                self.wake_other();
                bytes = &mut bytes[len..];
            } else {
                self.wait(|| consumer.available().unwrap() > 0);
            }
        }
    }
}

/// Sleeps until there is news: the loop that the bell is made for.
pub(super) fn wait<P: Park>(sleeper: &mut Sleeper<P>, mut news: impl FnMut() -> bool) {
    while !news() {
        let announced = sleeper.announce();
        if news() {
            sleeper.stay(announced);
            return;
        }
        sleeper.sleep(announced, None);
    }
}
