//! MPI as the way to the other ranks.
//!
//! The library is loaded when the program starts, and only by a rank: a program that is linked with it
//! would start slower, each of its workers too, and with one implementation only. Two binary interfaces
//! are known, that of Open MPI and that of MPICH, which Intel's, Cray's and MVAPICH's libraries share.
//!
//! From bottom to top: [`abi`] says how they differ, [`library`] finds a library and its functions,
//! [`calls`] makes them safe, [`join`] enters the world, and [`world`] sends and receives in it.

mod abi;
mod buffers;
mod calls;
mod casts;
mod join;
mod library;
mod peer;
mod world;

#[cfg(test)]
mod tests;

pub(crate) use join::join;
