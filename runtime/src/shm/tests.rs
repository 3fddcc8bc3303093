//! Models and properties of the ring, the bell, the claims and the cut.
//!
//! | file | what supplies `Memory` and `Park` | what it shows |
//! | --- | --- | --- |
//! | `models` | loom | every interleaving of a few bytes and a few sleeps |
//! | `begun` | loom | each item of a chunk that is cut has one owner |
//! | `claims` | loom decides who goes next | a chunk has one owner, also when its word is used again |
//! | `fifo` | cells of one thread | the ring is a queue of bytes |
//! | `hostile` | cells, and a real segment | impossible words are told, lies do no harm |
//! | `wakeups` | a counter | no system call for a sleeper that is awake |
//! | `lane` | a real segment, mapped twice | the whole, over the kernel's futexes |

mod begun;
mod claims;
mod fifo;
mod hostile;
mod lane;
mod models;
mod plain;
mod side;
mod simulated;
mod wakeups;
