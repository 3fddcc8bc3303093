//! Selections that have something wrong in them.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::channel::{Select, Selectable, bounded, channel};
use crate::sys::{Wait, event, raise};

/// Is never ready, though what is waited for always is.
struct Noise {
    event: OwnedFd,
    looks: Cell<u32>,
}

impl Selectable for &Noise {
    fn is_ready(&self) -> bool {
        false
    }

    fn ask(&self, _woken: bool) -> io::Result<bool> {
        self.looks.set(self.looks.get() + 1);
        Ok(true)
    }

    fn waits(&self) -> Vec<Wait<'_>> {
        vec![Wait::to_read(self.event.as_fd())]
    }
}

#[test]
fn a_channel_that_cannot_be_used_is_ready() {
    let (sender, receiver) = channel::<u64>().unwrap();
    let held = receiver.port().core.receive.lock().unwrap();
    let mut select = Select::new();
    select.recv(&receiver);
    assert_eq!(select.ready(), Some(0));
    receiver.try_recv().unwrap_err();
    drop((held, sender));

    let (sender, _receiver) = bounded::<u64>(1).unwrap();
    sender.send(1).unwrap();
    let _held = sender.port().core.receive.lock().unwrap();
    let mut select = Select::new();
    select.send(&sender);
    assert_eq!(select.ready(), Some(0));
}

#[test]
fn a_selection_does_not_run_hot() {
    let event = event().unwrap();
    raise(event.as_fd());
    let noise = Noise {
        event,
        looks: Cell::new(0),
    };
    let mut select = Select::new();
    select.add(Box::new(&noise));
    assert_eq!(select.ready_timeout(Duration::from_millis(300)), None);
    assert!(noise.looks.get() < 2000, "{:?}", noise.looks);
}
