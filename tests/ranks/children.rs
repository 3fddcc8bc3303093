//! Processes that ranks and their tasks start are no ranks.

use super::launch::{Launch, installed, with_each};

#[test]
fn a_copy_of_main_ends() {
    with_each(|mpi| {
        let end = Launch::of(mpi, 3, "fork").run();
        assert!(end.output.status.success(), "{}", end.said);
        assert!(
            end.said.contains("the copy ended with Some(7)"),
            "{}",
            end.said
        );
        assert!(
            end.said.contains("20 of 20 were run by nodes"),
            "{}",
            end.said
        );
    });
}

#[test]
fn a_program_that_main_starts_is_local() {
    with_each(|mpi| {
        let end = Launch::of(mpi, 3, "children").run();
        assert!(end.output.status.success(), "{}", end.said);
        assert!(end.said.contains("local in a child: true"), "{}", end.said);
    });
}

#[test]
fn a_task_starts_a_launch_of_its_own() {
    with_each(|mpi| {
        for (other, launcher) in installed() {
            let end = Launch::of(mpi, 3, &format!("starts {}", launcher.display())).run();
            assert!(end.output.status.success(), "{}", end.said);
            let started = end.said.matches("nested: true").count();
            assert_eq!(started, 4, "{other:?}: {}", end.said);
        }
    });
}
