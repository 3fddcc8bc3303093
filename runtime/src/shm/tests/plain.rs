//! A ring in the cells of one thread, which refuses to be used out of bounds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::shm::{Memory, Word};

impl Word for Cell<u64> {
    fn load(&self, _order: Ordering) -> u64 {
        self.get()
    }

    fn store(&self, value: u64, _order: Ordering) {
        self.set(value);
    }

    fn swap_if(&self, current: u64, new: u64) -> Result<(), u64> {
        let found = self.get();
        if found != current {
            return Err(found);
        }
        self.set(new);
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(super) struct PlainRing(Rc<Cells>);

#[derive(Debug)]
struct Cells {
    bytes: RefCell<Vec<u8>>,
    tail: Cell<u64>,
    head: Cell<u64>,
}

impl PlainRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Rc::new(Cells {
            bytes: RefCell::new(vec![0; capacity]),
            tail: Cell::new(0),
            head: Cell::new(0),
        }))
    }
}

// Slicing panics outside of the capacity, so every test here is a test of bounds too.
impl Memory for PlainRing {
    type Word = Cell<u64>;

    fn capacity(&self) -> usize {
        self.0.bytes.borrow().len()
    }

    fn tail(&self) -> &Cell<u64> {
        &self.0.tail
    }

    fn head(&self) -> &Cell<u64> {
        &self.0.head
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.bytes.borrow()[offset..offset + bytes.len()]);
    }

    fn append(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.bytes.borrow()[offset..offset + len]);
    }
}
