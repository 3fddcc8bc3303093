//! Actors: a state in a process of its own, and handles that call its methods.

use std::collections::BTreeMap;
use std::process;

use parproc::actor::Actor;
use parproc::parallel;
use parproc_tests::{meet, note};
use serde::{Deserialize, Serialize};

#[path = "actor/calls.rs"]
mod calls;
#[path = "actor/death.rs"]
mod death;
#[path = "actor/ends.rs"]
mod ends;
#[path = "actor/handles.rs"]
mod handles;
#[path = "actor/restarts.rs"]
mod restarts;
#[path = "actor/slow.rs"]
mod slow;

/// What is neither sent nor received: the state need not be a value of that kind.
struct Local(#[expect(dead_code, reason = "it is only there")] *const u8);

/// A number, and what is done to it.
struct Counter {
    value: u64,
    _local: Local,
    /// Where its end is noted.
    tally: Option<String>,
}

/// What a method does to its process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Deed {
    Panic,
    Exit(i32),
    Abort,
    Spin,
    Fill,
}

#[parallel]
impl Counter {
    fn new(start: u64) -> Self {
        Self {
            value: start,
            _local: Local(std::ptr::null()),
            tally: None,
        }
    }

    /// Notes its making and its end.
    fn noting(path: &str, start: u64) -> Self {
        note(path, "made");
        let mut this = Self::new(start);
        this.tally = Some(path.to_owned());
        this
    }

    /// Made well as often as `good` says.
    fn try_new(path: &str, good: usize) -> Result<Self, String> {
        note(path, "made");
        let made = std::fs::read_to_string(path).unwrap().lines().count();
        if made > good {
            return Err(format!("made {made} times already"));
        }
        Ok(Self::new(0))
    }

    fn doing(deed: Deed) -> Self {
        deed.be_done();
        Self::new(0)
    }

    fn add(&mut self, n: u64) -> u64 {
        self.value += n;
        self.value
    }

    fn value(&self) -> u64 {
        self.value
    }

    fn pid(&self) -> u32 {
        process::id()
    }

    fn meets(&mut self, meeting: &str, n: u64) -> u64 {
        meet(meeting, self.value);
        self.value += n;
        self.value
    }

    fn set_and_do(&mut self, n: u64, deed: Deed) {
        self.value = n;
        deed.be_done();
    }

    #[parallel(timeout = "50ms")]
    fn in_no_time(&mut self, deed: Deed) {
        deed.be_done();
    }

    #[parallel(memory_limit = "64MiB")]
    fn in_little_memory(&mut self) {
        Deed::Fill.be_done();
    }

    #[parallel(retries = 1)]
    fn once_more(&mut self, path: &str) -> u64 {
        note(path, "tried");
        if std::fs::read_to_string(path).unwrap().lines().count() == 1 {
            process::abort();
        }
        self.value
    }
}

impl Deed {
    fn be_done(self) {
        match self {
            Deed::Panic => panic!("as asked"),
            Deed::Exit(code) => process::exit(code),
            Deed::Abort => process::abort(),
            Deed::Spin => loop {
                std::hint::spin_loop();
            },
            Deed::Fill => {
                let mut all = Vec::new();
                loop {
                    all.push(vec![1_u8; 1 << 20]);
                }
            }
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(path) = &self.tally {
            note(path, format!("dropped with {}", self.value));
        }
    }
}

/// All kinds of arguments and results.
struct Shelf {
    books: BTreeMap<String, Vec<u8>>,
}

#[parallel(handle = "Librarian")]
impl Shelf {
    const PAGES: usize = 4;

    fn open(books: &[String]) -> std::io::Result<Self> {
        let books = books
            .iter()
            .map(|name| (name.clone(), vec![0; Self::PAGES]));
        Ok(Self {
            books: books.collect(),
        })
    }

    fn write<'a>(&'a mut self, name: &'a str, [page, byte]: [usize; 2]) -> Option<u8> {
        let pages = self.books.get_mut(name)?;
        let before = pages.get_mut(page)?;
        Some(std::mem::replace(before, u8::try_from(byte).ok()?))
    }

    fn pages(&self, name: String) -> Result<[u8; Self::PAGES], String> {
        let pages = self.books.get(&name).ok_or("no such book")?;
        pages.as_slice().try_into().map_err(|_| name)
    }

    fn is_below(&self, path: &std::path::Path, pair: &(u8, u8)) -> bool {
        path.starts_with("/") && pair.0 < pair.1
    }

    fn nothing(&mut self) {}

    fn bytes(&self, len: usize) -> Vec<u8> {
        vec![7; len]
    }

    fn len_of(&self, bytes: Vec<u8>) -> usize {
        bytes.len()
    }

    /// No method: an ordinary function of the block.
    fn double(x: u64) -> u64 {
        2 * x
    }
}

/// Which has names of our own.
struct Odd;

#[parallel]
impl Odd {
    fn new() -> Odd {
        Odd
    }

    fn kill(&self) -> String {
        "its own".to_owned()
    }
}

/// The process of the actor.
fn pid(actor: &Actor) -> u32 {
    actor.pid().expect("it lives")
}
