//! Tasks that do their worst to their own process.

#![expect(unsafe_code, reason = "tasks misuse the C library on purpose")]

use std::io::Write;
use std::mem::MaybeUninit;
use std::process::{self, Stdio};
use std::ptr;
use std::thread;
use std::time::Duration;

use parproc::parallel;
use parproc_tests::{Meeting, Process, in_time, meet, pool, program, role, succeeds};

const SHORT: Duration = Duration::from_millis(200);

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn closes_every_descriptor() -> u32 {
    // SAFETY: closing what others still use is the point.
    unsafe { libc::close_range(0, u32::MAX, 0) };
    process::id()
}

/// Blocks all signals in every thread, ignores those that it can, and loops.
#[parallel]
fn is_deaf() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: valid for writes.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: initialised above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut()) };
    for signal in 1..=64 {
        // SAFETY: an invalid signal is refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    loop {
        std::hint::spin_loop();
    }
}

#[parallel]
fn writes_without_end(to_stderr: bool) {
    let line = [b'x'; 8192];
    loop {
        if to_stderr {
            let _ = std::io::stderr().write_all(&line);
        } else {
            let _ = std::io::stdout().write_all(&line);
        }
    }
}

#[parallel]
fn exits_well() {
    process::exit(0);
}

/// Starts programs that leave the process group, and their parent.
#[parallel]
fn starts_daemons(meeting: &str) {
    let script = "setsid sh -c 'sleep 1000 & sleep 1000' & setsid sleep 1000";
    let mut child = process::Command::new("sh")
        .args(["-c", script])
        .spawn()
        .unwrap();
    meet(meeting, child.id().into());
    let _ = child.wait();
}

#[test]
fn a_task_that_closes_every_descriptor_gives_its_result_and_its_worker_goes_on() {
    in_time(|| {
        let pool = pool(1);
        let first = pool
            .spawn(closes_every_descriptor, ())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(pool.map(square, 0..1000).unwrap()[999], 998_001);
        let again = pool
            .spawn(closes_every_descriptor, ())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(again, first);
    });
}

#[test]
fn a_task_that_hears_no_signal_is_killed_in_time() {
    in_time(|| {
        let pool = pool(1);
        let error = pool
            .job(is_deaf)
            .timeout(SHORT)
            .spawn(())
            .unwrap()
            .join()
            .unwrap_err();
        assert!(error.task().unwrap().is_timeout(), "{error}");
        let task = pool.spawn(is_deaf, ()).unwrap();
        thread::sleep(SHORT);
        task.cancel();
        assert!(task.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_writes_without_end_is_killed_in_time() {
    const TEST: &str = "a_task_that_writes_without_end_is_killed_in_time";
    if role().is_none() {
        // The output goes nowhere, and then to somebody who does not read it.
        succeeds(
            program(TEST, "null")
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let mut child = program(TEST, "full").spawn().unwrap();
        let watched = Process::watch(child.id());
        assert!(watched.ends_within(parproc_tests::LIMIT), "it hangs");
        assert!(child.wait().unwrap().success());
        return;
    }
    in_time(|| {
        let pool = pool(1);
        for to_stderr in [false, true] {
            let job = pool.job(writes_without_end).timeout(SHORT);
            let error = job.spawn(to_stderr).unwrap().join().unwrap_err();
            assert!(error.task().unwrap().is_timeout());
            assert_eq!(pool.spawn(square, 3).unwrap().join().unwrap(), 9);
        }
        // The harness would wait for ever for room to say that all is well.
        process::exit(0);
    });
}

#[test]
fn a_task_that_exits_well_has_still_no_result() {
    in_time(|| {
        let pool = pool(1);
        let error = pool.spawn(exits_well, ()).unwrap().join().unwrap_err();
        let task = error.task().unwrap();
        assert!(task.is_crash() && task.exit_code() == Some(0), "{error}");
    });
}

#[test]
fn daemons_of_a_task_are_killed_with_it() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(starts_daemons, meeting.name()).unwrap();
        let guest = meeting.wait();
        let below = || descendants(guest.process.id);
        // Shells differ in whether the last command takes their place.
        assert!(parproc_tests::settled(&true, || below().len() >= 3));
        let daemons: Vec<_> = below().into_iter().map(Process::watch).collect();
        task.cancel();
        assert!(task.join().unwrap_err().is_cancelled());
        for daemon in &daemons {
            assert!(
                daemon.ends_within(parproc_tests::LIMIT),
                "{} is left",
                daemon.id
            );
        }
    });
}

/// All processes below one.
fn descendants(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    children
        .flat_map(|child| [vec![child], descendants(child)].concat())
        .collect()
}
