//! Actors: a state in a process of its own, and handles whose methods are calls of it.
//!
//! `#[parallel]` on an `impl` block with methods makes its type an actor. A function of the block that returns
//! `Self`, or a `Result<Self, E>`, makes the state; `new` gives the type `spawn` and `builder`, another
//! constructor, `open` say, gives it `spawn_open` and `builder_open`. They start a process, make the state there,
//! and give a handle, named after the type, that has the methods of the block:
//!
//! ```
//! use parproc::parallel;
//!
//! pub struct Counter {
//!     value: u64,
//! }
//!
//! #[parallel]
//! impl Counter {
//!     pub fn new(start: u64) -> Self {
//!         Counter { value: start }
//!     }
//!
//!     pub fn add(&mut self, n: u64) -> u64 {
//!         self.value += n;
//!         self.value
//!     }
//!
//!     pub fn value(&self) -> u64 {
//!         self.value
//!     }
//! }
//!
//! let counter: CounterHandle = Counter::spawn(10)?;
//! let (first, second) = (counter.add(1), counter.add(2)); // on their way
//! assert_eq!((first.join()?, second.join()?), (11, 13));
//!
//! assert_eq!(Counter::new(1).add(1), 2); // still an ordinary type
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! A method of a handle takes the same arguments and gives a [`Task`](crate::Task) of the result at once; what
//! is wrong with a call is the error of its task. Calls are made one after the other, those of one handle in the
//! order in which they were asked for, also if their tasks are dropped. Arguments and results are values as
//! those of functions are; the state need not be one: it stays where it was made, and may hold files, sockets
//! and pointers.
//!
//! Methods that take `self`, and generic ones, cannot be called in another process: they go into an `impl` block
//! without the attribute. So does a block of methods that is meant for no actor.
//! `#[parallel(handle = "Name")]` names the handle.
//!
//! # Handles
//!
//! Handles can be cloned, used from any thread, and passed to any process of the program: in an argument, a
//! result, or a message of a [channel](mod@crate::channel). Calls from there go through the process that started the
//! actor, which takes some tens of microseconds; those of the process itself are as fast as tasks of a pool.
//!
//! ```
//! use std::collections::HashMap;
//! use parproc::{Pool, parallel};
//!
//! struct Cache(HashMap<String, usize>);
//!
//! #[parallel]
//! impl Cache {
//!     fn new() -> Self {
//!         Cache(HashMap::new())
//!     }
//!
//!     fn get(&self, key: &str) -> Option<usize> {
//!         self.0.get(key).copied()
//!     }
//!
//!     fn put(&mut self, key: String, value: usize) {
//!         self.0.insert(key, value);
//!     }
//! }
//!
//! #[parallel]
//! fn measure(text: &str, cache: &CacheHandle) -> usize {
//!     if let Ok(Some(known)) = cache.get(text).join() {
//!         return known;
//!     }
//!     let len = text.len();
//!     drop(cache.put(text.to_owned(), len));
//!     len
//! }
//!
//! let cache = Cache::spawn()?;
//! let pool = Pool::builder().workers(2).build()?;
//! let lengths = pool.map(measure, ["a", "bc", "a"].map(|text| (text, &cache)))?;
//! assert_eq!(lengths, [1, 2, 1]);
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! An actor lives as long as a handle does, wherever that is. Then it does what it was asked to, drops its state
//! and ends; [`shutdown`](Actor::shutdown) does so at once, and waits for it, and [`kill`](Actor::kill) waits for
//! nothing. When the program ends by itself, actors without handles finish what they were asked to, which the
//! program waits for; those that still have handles drop their state if they are idle, and are killed if not.
//! However else the program ends, its actors end with it. An actor ends with the process that started it, too:
//! a task that gives the handle of an actor of its own away leaves that of a dead one, unless its worker lives.
//!
//! A method that joins a task of its own actor waits for itself.
//!
//! # When a call goes wrong
//!
//! | what a call does | what its task says | what becomes of the actor |
//! | --- | --- | --- |
//! | returns an `Err` | the value, as any other | nothing |
//! | panics | [`TaskError::is_panic`](crate::TaskError::is_panic) | it lives on, with the state as the call left it |
//! | crashes, exits, is killed | [`TaskError::is_crash`](crate::TaskError::is_crash) | it is dead |
//! | runs past its [time limit](ActorBuilder::timeout), or that of its attribute | [`TaskError::is_timeout`](crate::TaskError::is_timeout) | it is dead |
//! | passes its [memory limit](ActorBuilder::memory_limit) | [`TaskError::is_memory`](crate::TaskError::is_memory) | it is dead |
//! | is [cancelled](crate::Task::cancel) before it begins | [`TaskError::is_cancelled`](crate::TaskError::is_cancelled) | nothing: the call is not made |
//! | is cancelled later, or in another process | the same | nothing: the call is made, and its result dropped |
//!
//! A panic does not poison the state: what half a change may have left there is for the method to keep in order,
//! or to give up by [`std::process::abort`].
//!
//! When an actor dies, calls that it had not begun fail with an error for which
//! [`Error::is_actor_died`](crate::Error::is_actor_died) is true; so do all later ones, unless it is started
//! again: [`max_restarts`](ActorBuilder::max_restarts) says how often that is done, with a state that the
//! constructor makes anew from the same arguments. Calls that were not begun then still fail, since they were
//! meant for the old state, unless [`keep_calls`](ActorBuilder::keep_calls) asks for the opposite. A call with
//! `#[parallel(retries = 1)]` that ended its actor is made again with the fresh state. What the constructor's
//! arguments name, such as ends of channels, is kept in the process that started the actor for as long as that
//! may be started again.
//!
//! ```
//! use parproc::parallel;
//!
//! struct Parser;
//!
//! #[parallel]
//! impl Parser {
//!     fn new() -> Self {
//!         Parser
//!     }
//!
//!     fn parse(&mut self, text: &str) -> Option<u32> {
//!         if text == "evil" {
//!             std::process::abort();
//!         }
//!         text.parse().ok()
//!     }
//! }
//!
//! let parser = Parser::builder().max_restarts(3).spawn()?;
//! let (evil, behind) = (parser.parse("evil"), parser.parse("7"));
//! assert!(evil.join().unwrap_err().task().unwrap().is_crash());
//! assert!(behind.join().unwrap_err().is_actor_died());
//! assert_eq!(parser.parse("7").join()?, Some(7));
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! # How it works
//!
//! An actor is the only worker of a pool, and its calls are that pool's tasks; the constructor is run as the pool's
//! init function is. A handle that travels is a sender of a channel, at whose other end a thread of the owner
//! hands in the calls. In the other process tasks wait at a pool without workers for the replies, which come through
//! a channel for each process that calls.

mod builder;
pub(crate) mod call;
mod door;
pub(crate) mod handle;
mod here;
mod line;
pub(crate) mod made;
mod message;
mod replies;

pub use builder::ActorBuilder;
pub use handle::{Actor, Handle};
