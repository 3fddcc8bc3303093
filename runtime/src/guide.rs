//! Pages about the library as a whole.
//!
//! | page | answers |
//! | --- | --- |
//! | [`python`] | what Python's `multiprocessing`, `concurrent.futures`, joblib, mpire and Ray call what, call by call |
//! | [`failure`] | what happens when a task panics, crashes, hangs or grows, and what can be set for it |
//! | [`observing`] | how to see what a pool does, while it does it and afterwards |
//! | [`sharing`] | how processes share data, which way is for what, and what each costs |
//! | [`logs`] | what becomes of what tasks log through `tracing` and `log`, OpenTelemetry, metrics |
//! | [`speed`] | how to measure, and what makes a call fast or slow |
//! | [`profiling`] | how to profile, debug, test and bench a program that has workers |
//! | [`scale`] | how cost grows with workers, items, bytes and callers |
//! | [`cluster`] | how the same program runs on many machines, with `mpirun` or Slurm |
//!
//! Every Rust example in them is run by the tests of this crate.

#[doc = include_str!("guide/cluster.md")]
pub mod cluster {}

#[doc = include_str!("guide/failure.md")]
pub mod failure {}

#[doc = include_str!("guide/logs.md")]
pub mod logs {}

#[doc = include_str!("guide/observing.md")]
pub mod observing {}

#[doc = include_str!("guide/profiling.md")]
pub mod profiling {}

#[doc = include_str!("guide/python.md")]
pub mod python {
    #[doc = include_str!("guide/python/features.md")]
    pub mod features {}

    #[doc = include_str!("guide/python/futures.md")]
    pub mod futures {}

    #[doc = include_str!("guide/python/joblib.md")]
    pub mod joblib {}

    #[doc = include_str!("guide/python/mpire.md")]
    pub mod mpire {}

    #[doc = include_str!("guide/python/multiprocessing.md")]
    pub mod multiprocessing {}

    #[doc = include_str!("guide/python/ray.md")]
    pub mod ray {}
}

#[doc = include_str!("guide/scale.md")]
pub mod scale {}

#[doc = include_str!("guide/sharing.md")]
pub mod sharing {}

#[doc = include_str!("guide/speed.md")]
pub mod speed {}
