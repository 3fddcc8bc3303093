//! In rank 0: the objects that the nodes have, since something that was sent to them names them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use super::center::{Center, Outbox};
use super::line::{Body, Outgoing};
use super::message::Order;
use crate::object::{Mourner, Object};

/// What was sent to all.
#[derive(Debug, Default)]
pub(super) struct Casts {
    /// Messages so far.
    count: u64,
    /// The objects, and how many messages it took for each to be with all nodes.
    known: HashMap<u64, (Weak<Object>, u64)>,
}

/// Who is told when rank 0 has an object no more.
#[derive(Debug, Default)]
pub(super) struct Keeper(OnceLock<Arc<Watch>>);

#[derive(Debug)]
struct Watch(&'static Center);

impl Keeper {
    fn of(&self, center: &'static Center) -> Weak<dyn Mourner> {
        let watch: Weak<Watch> = Arc::downgrade(self.0.get_or_init(|| Arc::new(Watch(center))));
        watch
    }
}

impl Center {
    /// Has all nodes get the objects, unless they have them; gives how many messages to all have to go before one
    /// that names them.
    pub(super) fn cast(&'static self, objects: &[Arc<Object>]) -> u64 {
        let mut new = Vec::new();
        let mut after = 0;
        if objects.is_empty() {
            return after;
        }
        let mut outbox = self.outbox();
        for object in objects {
            let Some((twin, _)) = object.twin() else {
                continue;
            };
            let known = outbox.casts.known.get(&object.id());
            // One that came back, while the last handle of it was dropped, is another one.
            let known = known.filter(|(known, _)| known.as_ptr() == Arc::as_ptr(object));
            let number = if let Some((_, number)) = known {
                *number
            } else {
                let message = Outgoing::with_object(&Order::Object(twin), object);
                let number = outbox.post_to_all(message);
                let known = (Arc::downgrade(object), number);
                outbox.casts.known.insert(object.id(), known);
                new.push(object);
                number
            };
            after = after.max(number);
        }
        drop(outbox);
        for object in new {
            object.on_drop(self.keeper.of(self));
        }
        after
    }
}

impl Outbox {
    /// Gives how many messages to all there are with this one.
    fn post_to_all(&mut self, message: Outgoing<super::center::Source>) -> u64 {
        self.to_all.push(message);
        self.casts.count += 1;
        self.casts.count
    }
}

impl Mourner for Watch {
    fn dropped(&self, id: u64) {
        let mut outbox = self.0.outbox();
        let known = outbox.casts.known.get(&id);
        if known.is_some_and(|(known, _)| known.strong_count() == 0) {
            outbox.casts.known.remove(&id);
            outbox.post_to_all(Outgoing::new(&Order::Forget(id), Body::Inline(0)));
        }
        drop(outbox);
        self.0.wake();
    }
}
