//! Copies of processes that have channels.

#![expect(unsafe_code, reason = "tasks fork")]

use parproc::channel::Queue;
use parproc::{Process, parallel};
use parproc_tests::in_time;

/// Runs `body` in a copy of this process, and gives what it gives.
fn in_a_copy(body: impl FnOnce() -> u8) -> u8 {
    // SAFETY: the processes of these tests have one thread that does anything, so the copy may do everything.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = body();
        // SAFETY: ends the copy.
        unsafe { libc::_exit(code.into()) };
    }
    let mut status = 0;
    // SAFETY: waits for a child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(libc::WIFEXITED(status));
    libc::WEXITSTATUS(status) as u8
}

/// The copy drops a queue while the process is not done with a message of it.
#[parallel]
fn copy_drops_a_queue(queue: Queue<u64>) {
    queue.recv().unwrap();
    let mut queue = Some(queue);
    in_a_copy(|| {
        drop(queue.take());
        0
    });
    assert!(
        !queue
            .as_ref()
            .unwrap()
            .join_timeout(std::time::Duration::ZERO)
    );
    queue.unwrap().task_done().unwrap();
}

#[test]
fn a_copy_that_drops_a_queue_counts_nothing_as_done() {
    in_time(|| {
        let queue = Queue::new().unwrap();
        queue.send(1).unwrap();
        let process = Process::spawn(copy_drops_a_queue, queue.clone()).unwrap();
        process.join().unwrap();
        queue.join();
    });
}
