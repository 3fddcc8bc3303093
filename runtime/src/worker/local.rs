//! What a worker knows of itself and keeps between its tasks.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

static ID: OnceLock<usize> = OnceLock::new();

thread_local! {
    /// One value of each type; one that is lent out is not here.
    static VALUES: RefCell<BTreeMap<TypeId, Box<dyn Any>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The number of this worker in its pool: the lowest from 0 on that no living worker of the pool had
/// when it was started. None outside of workers, in tasks of an inline pool, and in a
/// [`Process`](crate::Process).
///
/// It serves to share out things of which there are a few: ports, devices, folders. The worker that
/// takes the place of one that ended may have the same number, once that one is gone.
///
/// ```
/// use parproc::{Pool, parallel, worker};
///
/// #[parallel]
/// fn who() -> Option<usize> {
///     worker::id()
/// }
///
/// let pool = Pool::builder().workers(1).build()?;
/// assert_eq!(pool.map(who, [()])?, [Some(0)]);
/// assert_eq!(worker::id(), None);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn id() -> Option<usize> {
    ID.get().copied()
}

/// Keeps `value` for the tasks that this worker runs later, and gives the value of the same type that
/// was kept before.
///
/// There is one value of each type in each thread: for several of one type, wrap each in a type of its
/// own. Tasks run in one thread of the worker, so nothing is locked and the type need be neither
/// `Send` nor `Sync`. In an inline pool tasks run in the threads that call it, each of which has values
/// of its own.
///
/// Values are dropped when the worker ends by itself: after the pool's
/// [`exit`](crate::PoolBuilder::exit) function. A worker that is killed drops nothing.
///
/// Outside of workers it keeps values too:
///
/// ```
/// use parproc::worker;
///
/// struct Greeting(String);
///
/// assert!(worker::set_local(Greeting("hello".to_owned())).is_none());
/// let before = worker::set_local(Greeting("goodbye".to_owned()));
/// assert_eq!(before.unwrap().0, "hello");
/// assert_eq!(worker::with_local(|greeting: &mut Greeting| greeting.0.len()), Some(7));
/// ```
pub fn set_local<T: 'static>(value: T) -> Option<T> {
    put(Box::new(value)).map(|before| *before)
}

/// Calls `function` with the value of type `T` that [`set_local`] keeps in this thread, and gives what
/// it returns; none if there is no such value.
///
/// While `function` runs the value is lent to it: another call for the same type within it gives none.
/// If it sets another value of the type, that one stays and the lent one is dropped. A panic leaves
/// the value in its place, as `function` left it.
///
/// ```
/// use parproc::{Pool, parallel, worker};
///
/// struct Calls(u64);
///
/// #[parallel]
/// fn count() -> u64 {
///     let count = |calls: &mut Calls| {
///         calls.0 += 1;
///         calls.0
///     };
///     worker::with_local(count).unwrap_or_else(|| {
///         worker::set_local(Calls(1));
///         1
///     })
/// }
///
/// let pool = Pool::builder().workers(1).build()?;
/// assert_eq!(pool.map(count, [(); 3])?, [1, 2, 3]);
/// # Ok::<(), parproc::Error>(())
/// ```
pub fn with_local<T: 'static, R>(function: impl FnOnce(&mut T) -> R) -> Option<R> {
    let mut lent = Lent(Some(take::<T>()?));
    lent.0.as_deref_mut().map(function)
}

/// A value on loan; it goes back to its place, unless that is taken.
struct Lent<T: 'static>(Option<Box<T>>);

impl<T: 'static> Drop for Lent<T> {
    fn drop(&mut self) {
        let key = TypeId::of::<T>();
        // What stays here is dropped afterwards: that runs the user's code, which may come back to us.
        let _ = VALUES.try_with(|values| {
            let mut values = values.borrow_mut();
            if !values.contains_key(&key)
                && let Some(value) = self.0.take()
            {
                values.insert(key, value);
            }
        });
    }
}

fn take<T: 'static>() -> Option<Box<T>> {
    // A thread that ends may have dropped its values already.
    let value = VALUES.try_with(|values| values.borrow_mut().remove(&TypeId::of::<T>()));
    value.ok().flatten()?.downcast().ok()
}

fn put<T: 'static>(value: Box<T>) -> Option<Box<T>> {
    let before = VALUES.try_with(|values| values.borrow_mut().insert(TypeId::of::<T>(), value));
    before.ok().flatten()?.downcast().ok()
}

/// From now on the process is the worker with this number.
pub(super) fn become_worker(id: usize) {
    // Set once: a process becomes a worker once.
    let _ = ID.set(id);
}

/// Drops all values of this thread; the worker ends.
pub(super) fn drop_all() {
    let values = VALUES.take();
    for value in values.into_values() {
        // Nobody is left to hear of the user's panic, and the other values are dropped all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn each_type_has_one_value() {
        assert_eq!(with_local(|_: &mut u8| ()), None);
        assert_eq!(set_local(1_u8), None);
        assert_eq!(set_local("one"), None);
        assert_eq!(set_local(2_u8), Some(1));
        assert_eq!(with_local(|value: &mut u8| *value), Some(2));
        assert_eq!(with_local(|value: &mut &str| *value), Some("one"));
        let other = std::thread::spawn(|| with_local(|value: &mut u8| *value));
        assert_eq!(other.join().unwrap(), None, "each thread has its own");
    }

    #[test]
    fn a_value_is_lent_to_one_call_at_a_time() {
        set_local(5_u16);
        let inner = with_local(|value: &mut u16| {
            *value += 1;
            with_local(|_: &mut u16| ())
        });
        assert_eq!(inner, Some(None));
        assert_eq!(with_local(|value: &mut u16| *value), Some(6));
    }

    #[test]
    fn a_value_that_is_set_meanwhile_stays() {
        set_local(Rc::new(1));
        let lent = with_local(|value: &mut Rc<i32>| {
            assert_eq!(set_local(Rc::new(2)), None);
            Rc::clone(value)
        });
        let lent = lent.unwrap();
        assert_eq!((*lent, Rc::strong_count(&lent)), (1, 1));
        assert_eq!(with_local(|value: &mut Rc<i32>| **value), Some(2));
    }

    #[test]
    fn a_panic_leaves_the_value_in_its_place() {
        set_local(1_i64);
        let panicked = catch_unwind(|| {
            with_local(|value: &mut i64| {
                *value = 2;
                std::panic::resume_unwind(Box::new(()));
            })
        });
        assert!(panicked.is_err());
        assert_eq!(with_local(|value: &mut i64| *value), Some(2));
    }

    /// Uses the values while it is dropped.
    struct Restless;

    impl Drop for Restless {
        fn drop(&mut self) {
            set_local(7_u32);
            with_local(|_: &mut Restless| ());
        }
    }

    #[test]
    fn values_that_are_dropped_may_use_the_others() {
        set_local(Restless);
        drop(set_local(Restless));
        assert_eq!(with_local(|value: &mut u32| *value), Some(7));
        with_local(|_: &mut Restless| {
            set_local(Restless);
        });
        drop_all();
        assert_eq!(with_local(|_: &mut Restless| ()), None);
    }
}
