//! Launches that cannot work say why, and end.

use super::launch::{End, Launch, Mpi, installed, with_each};

fn fails(end: &End) {
    assert!(!end.output.status.success(), "{}", end.said);
}

#[test]
fn another_program_on_another_rank() {
    with_each(|mpi| {
        let mut launch = Launch::of(mpi, 1, "fork");
        launch.command.args([":", "-n", "1"]);
        launch.command.arg(env!("CARGO_BIN_EXE_replay_other"));
        let end = launch.run();
        fails(&end);
        assert!(
            end.said.contains("other functions than rank 0"),
            "{}",
            end.said
        );
        assert!(end.said.contains("replay_other"), "{}", end.said);
    });
}

#[test]
fn a_rank_that_is_no_program_of_ours() {
    with_each(|mpi| {
        let mut launches = [Launch::of(mpi, 1, "fork"), Launch::new(mpi)];
        let sleep = ["-n", "1", "sleep", "1000"];
        launches[0].command.arg(":").args(sleep);
        launches[1].command.args(sleep).arg(":");
        launches[1].ranks(1, "fork");
        for mut launch in launches {
            launch.env("PARPROC_MPI_TIMEOUT", "2");
            let end = launch.run();
            fails(&end);
            assert!(
                end.said.contains("waited 2 s for the other ranks"),
                "{}",
                end.said
            );
        }
    });
}

#[test]
fn a_library_of_the_other_family() {
    with_each(|mpi| {
        if installed().len() < 2 {
            println!("skipped: there is one only");
            return;
        }
        let mut launch = Launch::of(mpi, 2, "fork");
        let other = match mpi {
            Mpi::Open => "libmpich.so.12",
            Mpi::Mpich => "libmpi.so.40",
        };
        launch.env("PARPROC_MPI_LIBRARY", other);
        let end = launch.run();
        fails(&end);
        assert!(end.said.contains("does not understand"), "{}", end.said);
        assert!(end.said.contains(other), "{}", end.said);
    });
}

#[test]
fn a_library_that_is_not_there() {
    with_each(|mpi| {
        let mut launch = Launch::of(mpi, 2, "fork");
        launch.env("PARPROC_MPI_LIBRARY", "libnowhere.so");
        let end = launch.run();
        fails(&end);
        assert!(end.said.contains("no library of MPI"), "{}", end.said);
        assert!(end.said.contains("libnowhere.so"), "{}", end.said);
    });
}

#[test]
fn ranks_that_are_told_to_ignore_the_launcher() {
    with_each(|mpi| {
        let mut launch = Launch::of(mpi, 2, "child");
        launch.env("PARPROC_MPI", "off");
        let end = launch.run();
        assert!(end.output.status.success(), "{}", end.said);
        let local = end.said.matches("local in a child: true").count();
        assert_eq!(local, 2, "{}", end.said);
    });
}

#[test]
fn a_rank_alone_is_as_without_a_launcher() {
    with_each(|mpi| {
        let mut launch = Launch::of(mpi, 1, "child");
        // It needs no library.
        launch.env("PARPROC_MPI_LIBRARY", "libnowhere.so");
        let end = launch.run();
        assert!(end.output.status.success(), "{}", end.said);
        assert!(end.said.contains("local in a child: true"), "{}", end.said);
    });
}
