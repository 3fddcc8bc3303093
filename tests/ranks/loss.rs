//! A rank is lost in a launch that outlives it: the others do its work.

use parproc_tests::{Meeting, Process, Tally};
use rustix::process::Signal;

use super::launch::{Launch, Launched, Mpi, with_each, with_open};

/// A map of so many items, one of which waits to tell who has its worker.
fn squares(launch: impl FnOnce(&str) -> Launch) -> (Meeting, Tally, Launched) {
    let (meeting, tally) = (Meeting::new(), Tally::new());
    let role = format!("squares {} {} 600 150", meeting.name(), tally.path());
    let launched = launch(&role).start();
    (meeting, tally, launched)
}

fn all_are_right(launched: Launched, tally: &Tally) {
    let end = launched.end();
    assert!(
        end.said.contains("600 squares, right: true"),
        "{}",
        end.said
    );
    println!("  {} items were run", tally.total());
    // The launcher itself ends with 0 in a launch that outlives ranks, whatever they end with.
    assert!(end.output.status.success(), "{}", end.said);
}

#[test]
fn the_others_do_what_a_lost_rank_had() {
    with_open(|| {
        // By shared memory, and as between machines.
        for way in ["", "tcp,self"] {
            let (meeting, tally, launched) = squares(|role| {
                let mut launch = Launch::recovering(3, role);
                if !way.is_empty() {
                    launch.env("OMPI_MCA_btl", way);
                }
                launch
            });
            let guest = meeting.wait();
            Process::watch(u32::try_from(guest.word).unwrap()).kill();
            assert!(
                guest.process.ends_within(parproc_tests::LIMIT),
                "the worker of a lost rank is left"
            );
            std::thread::scope(|scope| {
                scope.spawn(|| drop(meeting.wait()));
                all_are_right(launched, &tally);
            });
        }
    });
}

#[test]
fn the_workers_of_main_do_what_all_others_had() {
    with_open(|| {
        let (meeting, tally, launched) = squares(|role| Launch::recovering(2, role));
        let guest = meeting.wait();
        Process::watch(u32::try_from(guest.word).unwrap()).kill();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(meeting.wait()));
            all_are_right(launched, &tally);
        });
    });
}

#[test]
fn a_launch_goes_on_with_a_rank_that_stood_still() {
    with_each(|mpi| {
        for comes_back in [true, false] {
            let (meeting, tally, launched) = squares(|role| Launch::of(mpi, 3, role));
            let guest = meeting.wait();
            let agent = Process::watch(u32::try_from(guest.word).unwrap());
            agent.signal(Signal::STOP);
            let again = meeting.wait();
            assert_ne!(again.word, guest.word);
            if comes_back {
                agent.signal(Signal::CONT);
                // Its worker is gone, but it is not.
                assert!(guest.process.ends_within(parproc_tests::LIMIT));
                assert!(!agent.has_ended());
            }
            drop(again);
            let end = launched.end();
            assert!(
                end.said.contains("600 squares, right: true"),
                "{}",
                end.said
            );
            println!("  {} items were run", tally.total());
            // Else the launcher tells how it ended others.
            if comes_back && mpi == Mpi::Open {
                assert_eq!(end.output.status.code(), Some(5), "{}", end.said);
            }
        }
    });
}

#[test]
fn an_item_that_two_ranks_are_lost_with_fails() {
    with_open(|| {
        let tally = Tally::new();
        let mut launch = Launch::recovering(5, &format!("poison {} 77", tally.path()));
        launch.env("PARPROC_SLOTS", "2");
        let end = launch.run();
        assert!(end.said.contains("77: 2 nodes that had it"), "{}", end.said);
        assert!(end.said.contains("199 are right"), "{}", end.said);
        assert_eq!(tally.counts()["77"], 2);
    });
}

#[test]
fn a_rank_that_stood_still_is_not_waited_for() {
    with_open(|| {
        for comes_back in [false, true] {
            let (meeting, tally, launched) = squares(|role| Launch::recovering(3, role));
            let guest = meeting.wait();
            let agent = Process::watch(u32::try_from(guest.word).unwrap());
            agent.signal(Signal::STOP);
            // The item is run again elsewhere.
            let again = meeting.wait();
            assert_ne!(again.word, guest.word);
            if comes_back {
                agent.signal(Signal::CONT);
                drop(guest);
            }
            drop(again);
            all_are_right(launched, &tally);
        }
    });
}

#[test]
fn a_task_that_two_ranks_are_lost_with_fails() {
    with_open(|| {
        let tally = Tally::new();
        let end = Launch::recovering(4, &format!("poisoned-tasks {}", tally.path())).run();
        assert!(end.said.contains("39 are right"), "{}", end.said);
        assert!(end.said.contains("2 nodes that had it"), "{}", end.said);
        assert_eq!(tally.counts()["7"], 2);
    });
}

#[test]
fn ranks_that_are_lost_before_there_is_a_pool() {
    with_open(|| {
        for (ranks, away) in [(3, 40), (2, 0)] {
            let meeting = Meeting::new();
            let role = format!("late {}", meeting.name());
            let launched = Launch::recovering(ranks, &role).start();
            let main = meeting.wait();
            let agent = launched.rank(ranks - 1);
            assert_ne!(agent.id, main.process.id);
            agent.kill();
            drop(main);
            let end = launched.end();
            let run = format!("40 were run, {away} of them by nodes");
            assert_eq!(end.said.matches(&run).count(), 3, "{}", end.said);
        }
    });
}

#[test]
fn nothing_is_left_without_main() {
    with_open(|| {
        let meeting = Meeting::new();
        let role = format!("ends {} wait", meeting.name());
        let launched = Launch::recovering(3, &role).start();
        let guests = [meeting.wait(), meeting.wait(), meeting.wait()];
        launched.wait_for_guardians(2);
        launched.rank(0).kill();
        launched.end();
        drop(guests);
    });
}

#[test]
fn large_values_are_on_their_way_to_a_lost_rank() {
    with_open(|| {
        let meeting = Meeting::new();
        let launched = Launch::recovering(3, &format!("large {}", meeting.name())).start();
        let guest = meeting.wait();
        Process::watch(u32::try_from(guest.word).unwrap()).kill();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(meeting.wait()));
            let end = launched.end();
            assert!(
                end.said.contains("16 large values, right: true"),
                "{}",
                end.said
            );
        });
    });
}

#[test]
fn one_rank_after_the_other_is_lost() {
    with_open(|| {
        let tally = Tally::new();
        let launched = Launch::recovering(5, &format!("storm {}", tally.path())).start();
        for (rank, items) in [(3, 300), (1, 7000), (4, 12_000)] {
            while tally.total() < items {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            launched.rank(rank).kill();
        }
        let end = launched.end();
        assert!(
            end.said.contains("16000 of 16000 have an outcome"),
            "{}",
            end.said
        );
        let failed = end.said.matches("nodes that had it were lost").count();
        println!(
            "  {failed} items were on two lost ranks; {} were run",
            tally.total()
        );
        assert!(failed <= 4, "{}", end.said);
    });
}
