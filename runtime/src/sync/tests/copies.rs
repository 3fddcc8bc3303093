//! Copies of the process that have guards which are not theirs.

#![expect(unsafe_code, reason = "copies of the process are made")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::super::{Mutex, Once, OnceError, RwLock};

/// True in the copy.
fn is_copy() -> (bool, libc::pid_t) {
    // SAFETY: the copy drops guards, and ends.
    let copy = unsafe { libc::fork() };
    assert!(copy >= 0);
    (copy == 0, copy)
}

/// Ends the copy without running anything of the original's.
fn end(right: bool) -> ! {
    // SAFETY: that is what it does.
    unsafe { libc::_exit(if right { 7 } else { 1 }) }
}

fn wait_for(copy: libc::pid_t) {
    let mut status = 0;
    // SAFETY: waits for a child of the test.
    assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
    assert_eq!(libc::WEXITSTATUS(status), 7);
}

/// A panic without a message: another thread of the original may have had the lock to write one.
fn panic_with(guard: impl Sized) -> bool {
    let body = move || {
        let _guard = guard;
        resume_unwind(Box::new(()));
    };
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

#[test]
fn a_copy_that_panics_poisons_no_mutex() {
    let mutex = Mutex::new(1).unwrap();
    let guard = mutex.lock().unwrap();
    let (is_copy, copy) = is_copy();
    if is_copy {
        end(panic_with(guard));
    }
    wait_for(copy);
    assert!(!mutex.is_poisoned());
    assert_eq!(*guard, 1);
    assert!(panic_with(guard));
    assert!(mutex.is_poisoned());
}

#[test]
fn a_copy_that_panics_poisons_no_value_that_is_written() {
    let lock = RwLock::new(1).unwrap();
    let guard = lock.write().unwrap();
    let (is_copy, copy) = is_copy();
    if is_copy {
        end(panic_with(guard));
    }
    wait_for(copy);
    assert!(!lock.is_poisoned());
    assert_eq!(*guard, 1);
    assert!(panic_with(guard));
    assert!(lock.is_poisoned());
}

#[test]
fn a_copy_that_returns_from_the_function_does_not_complete_it() {
    let once = Once::new().unwrap();
    let mut forked = (false, 0);
    let result = once.call_once(|| {
        forked = is_copy();
        if !forked.0 {
            wait_for(forked.1);
            assert!(!once.is_completed());
        }
    });
    if forked.0 {
        end(matches!(result, Err(OnceError::System(_))));
    }
    assert!(result.is_ok());
    assert!(once.is_completed());
}
