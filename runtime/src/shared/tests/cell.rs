//! Cells in one process.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::shared::SharedCell;

#[test]
fn a_cell_of_any_size_has_the_operations_of_an_atomic() {
    fn check<T: crate::shared::Plain + PartialEq + std::fmt::Debug>(a: T, b: T) {
        let cell = SharedCell::new(a).unwrap();
        assert_eq!(cell.load(), a);
        cell.store(b);
        assert_eq!(cell.swap(a), b);
        assert_eq!(cell.compare_exchange(b, a), Err(a));
        assert_eq!(cell.compare_exchange(a, b), Ok(a));
        assert_eq!(cell.update(|_| a), b);
        assert_eq!(cell.clone().load(), a);
    }
    check(false, true);
    check(1_u8, 2);
    check(-1.5_f32, 2.5);
    check(u64::MAX, 1);
    check(u128::MAX, 1);
    check([1_u8, 2, 3], [4, 5, 6]);
    check([1_u32; 3], [2; 3]);
    check([1.0_f64; 33], [2.0; 33]);
}

#[test]
fn numbers_in_cells_count() {
    let cell = SharedCell::new(250_u8).unwrap();
    assert_eq!(cell.fetch_add(10), 250);
    assert_eq!(cell.fetch_sub(5), 4);
    assert_eq!(cell.fetch_and(0x0f), 255);
    assert_eq!(cell.fetch_xor(0x01), 15);
    assert_eq!(cell.fetch_or(0x10), 14);
    assert_eq!(cell.fetch_max(100), 30);
    assert_eq!(cell.fetch_min(50), 100);
    assert_eq!(cell.load(), 50);
    let cell = SharedCell::new(1.5_f64).unwrap();
    cell.fetch_add(1.0);
    assert_eq!(cell.load(), 2.5);
}

#[test]
fn readers_of_a_large_value_never_see_a_mixture() {
    let cell = SharedCell::new([0_u64; 20]).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let value = cell.load();
                    assert!(value.iter().all(|word| *word == value[0]), "{value:?}");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    cell.update(|value| value.map(|word| word + 1));
                }
                if cell.load()[0] == 10_000 {
                    over.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(cell.load(), [10_000; 20]);
}
