//! Real launches: this binary of tests, started by the launchers that are installed.

mod harness;
mod parts;

use harness::{Launched, Mpirun, launchers};
use parts::PART;

/// Not a test by itself: what a rank does that a test has launched.
#[test]
fn part() {
    if let Ok(name) = std::env::var(PART) {
        parts::run(&name);
    }
}

/// Has ranks of each implementation play a part; all must come to its end.
fn all_do(part: &str, ranks: usize) {
    for mpirun in launchers() {
        let Launched { code, out, err } = mpirun.launch(part, ranks, &[], &[]);
        assert_eq!(code, Some(0), "{mpirun:?}\n{out}\n{err}");
        assert_eq!(out.matches("done").count(), ranks, "{out}\n{err}");
    }
}

#[test]
fn messages_arrive_whole_and_in_order() {
    all_do("talk", 2);
    all_do("talk", 3);
}

#[test]
fn broadcasts_keep_their_place_among_messages() {
    all_do("broadcast", 2);
    all_do("broadcast", 4);
}

#[test]
fn a_backlog_goes_down_to_nothing() {
    all_do("backlog", 3);
}

#[test]
fn others_go_on_when_a_rank_is_killed() {
    for mpirun in launchers().filter(Mpirun::is_open_mpi) {
        for part in ["lost_talking", "lost_broadcasting"] {
            for way in ["self,vader", "self,tcp"] {
                // Without it, TCP goes by the names and networks of this machine.
                let network = ["--mca", "btl_tcp_if_include", "lo"];
                let options = ["--enable-recovery", "--mca", "btl", way];
                let options = [&options[..], &network].concat();
                let Launched { out, err, .. } = mpirun.launch(part, 4, &options, &[]);
                // A large message that TCP was in the middle of is the end of its sender, inside of the library.
                let torn = way == "self,tcp" && err.contains("pml_ob1_sendreq.c");
                let done = out.matches("done").count();
                assert!(torn || done == 3, "{part} {way}\n{out}\n{err}");
            }
        }
    }
}

#[test]
fn a_library_that_is_missing_is_named() {
    for mpirun in launchers() {
        let variables = [("PARPROC_MPI_LIBRARY", "/nonexistent/libmpi.so")];
        let Launched { code, out, err } = mpirun.launch("talk", 2, &[], &variables);
        assert_ne!(code, Some(0), "{out}\n{err}");
        assert!(out.contains("/nonexistent/libmpi.so"), "{out}\n{err}");
        assert!(out.contains("PARPROC_MPI=off"), "{out}\n{err}");
    }
}

#[test]
fn a_library_that_is_none_of_mpi_is_refused() {
    for mpirun in launchers() {
        let variables = [("PARPROC_MPI_LIBRARY", "libc.so.6")];
        let Launched { code, out, err } = mpirun.launch("talk", 2, &[], &variables);
        assert_ne!(code, Some(0), "{out}\n{err}");
        assert!(out.contains("MPI_Get_library_version"), "{out}\n{err}");
    }
}

#[test]
fn the_library_of_another_launcher_is_refused() {
    for mpirun in launchers() {
        let Some(foreign) = launchers().find(|other| other.is_open_mpi() != mpirun.is_open_mpi())
        else {
            continue;
        };
        let variables = [("PARPROC_MPI_LIBRARY", foreign.library())];
        let Launched { code, out, err } = mpirun.launch("talk", 2, &[], &variables);
        assert_ne!(code, Some(0), "{out}\n{err}");
        assert!(out.contains(foreign.library()), "{out}\n{err}");
        assert!(out.contains("does not understand"), "{out}\n{err}");
    }
}

#[test]
fn a_world_that_is_not_the_launch_is_refused() {
    for mpirun in launchers() {
        // The variables of the launcher are taken for those of one that speaks to both.
        let Some(foreign) = launchers().find(|other| other.is_open_mpi() != mpirun.is_open_mpi())
        else {
            continue;
        };
        let variables = [
            ("PARPROC_MPI_LIBRARY", foreign.library()),
            ("PARPROC_MPI_TIMEOUT", "10"),
        ];
        let Launched { code, out, err } = mpirun.launch("misled", 2, &[], &variables);
        assert_ne!(code, Some(0), "{out}\n{err}");
        let refused = out.contains("not of the same MPI") || err.contains("in vain");
        assert!(refused, "{out}\n{err}");
    }
}

#[test]
fn a_rank_with_another_program_is_not_waited_for_in_vain() {
    for mpirun in launchers() {
        let variables = [("PARPROC_MPI_TIMEOUT", "2")];
        let Launched { code, out, err } = mpirun.launch("alone", 1, &[":", "sleep"], &variables);
        assert_ne!(code, Some(0), "{out}\n{err}");
        assert!(err.contains("in vain"), "{out}\n{err}");
        assert!(err.contains("PARPROC_MPI_TIMEOUT"), "{out}\n{err}");
    }
}

#[test]
fn faults_are_handled_as_before() {
    all_do("faults", 2);
}

#[test]
fn children_of_a_rank_are_no_ranks() {
    all_do("children", 2);
}
