//! Where the launcher ends the program with a rank, a journal lets another run do what is missing.

use std::fs;

use parproc_tests::{Meeting, Process, Tally, unique};

use super::launch::{Launch, with_each};

#[test]
fn another_run_does_what_is_missing() {
    with_each(|mpi| {
        let (meeting, tally) = (Meeting::new(), Tally::new());
        let journal = std::env::temp_dir().join(unique("journal"));
        let role = format!(
            "journal {} {} {}",
            meeting.name(),
            tally.path(),
            journal.display()
        );
        let launched = Launch::of(mpi, 3, &role).start();
        // An item in the middle tells who has its worker.
        let guest = meeting.wait();
        Process::watch(u32::try_from(guest.word).unwrap()).kill();
        let end = launched.end();
        assert!(!end.output.status.success(), "{}", end.said);
        assert!(!end.said.contains("sum"), "{}", end.said);
        drop(guest);
        let before = tally.total();
        assert!(before >= 150, "{before} items were begun");

        let again = std::thread::scope(|scope| {
            // The item comes again.
            scope.spawn(|| drop(meeting.wait()));
            Launch::of(mpi, 3, &role).run()
        });
        assert!(again.output.status.success(), "{}", again.said);
        let sum: u64 = (0..400).map(|x| x * x).sum();
        assert!(again.said.contains(&format!("sum {sum}")), "{}", again.said);
        let counts = tally.counts();
        assert_eq!(counts.len(), 400);
        let twice = counts.values().filter(|count| **count > 1).count();
        println!("  {before} items were begun before, {twice} of them twice in all");
        assert!(twice < 100, "{twice} items were run twice");
        let _ = fs::remove_file(&journal);
    });
}
