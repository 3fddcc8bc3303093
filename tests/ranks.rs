//! Launches by `mpirun`: what is left when one of them ends in any way, and what is lost with a rank.
//!
//! Each test starts this binary under the launchers that are installed, Open MPI's and MPICH's, as the program
//! of [`program`], and looks for what is left of it in `/proc` by a mark in its environment.

#[path = "ranks/children.rs"]
mod children;
#[path = "ranks/ends.rs"]
mod ends;
#[path = "ranks/launch.rs"]
mod launch;
#[path = "ranks/loss.rs"]
mod loss;
#[path = "ranks/program.rs"]
mod program;
#[path = "ranks/rerun.rs"]
mod rerun;
#[path = "ranks/seen.rs"]
mod seen;
#[path = "ranks/wrong.rs"]
mod wrong;
