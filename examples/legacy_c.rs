//! A C library that keeps everything in static variables, called in parallel.
//!
//! `cargo run --release --example legacy_c`
//!
//! `legacy/tally.c` counts the words of a text into one static table, so it serves one caller at a
//! time. Threads that call it at once spoil each other's counts. Every worker process has the
//! library to itself. It prints how many counts were wrong, and the time, for one thread, for
//! several threads, and for worker processes.

#![expect(unsafe_code, reason = "a C library is called")]

use std::ffi::{CString, c_char, c_uint};
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel};

const TEXTS: u32 = 1_000;
const THREADS: usize = 4;

#[link(name = "tally", kind = "static")]
unsafe extern "C" {
    fn tally(text: *const c_char);
    safe fn tally_words() -> c_uint;
    safe fn tally_distinct() -> c_uint;
}

/// The number of words and of different words.
#[parallel]
fn count(text: &str) -> (u32, u32) {
    let text = CString::new(text).expect("the texts hold no zero byte");
    // SAFETY: the text ends in a zero byte and outlives the call, which only reads it. Should other
    // threads be in the library as well, its indexes stay in bounds, because none of them is shared:
    // the counts are wrong then, which is what this example is about.
    unsafe { tally(text.as_ptr()) };
    (tally_words(), tally_distinct())
}

fn main() -> parproc::Result<()> {
    let texts: Vec<String> = (0..TEXTS).map(text).collect();

    let start = Instant::now();
    let right: Vec<_> = texts.iter().map(|text| count(text)).collect();
    report("1 thread", start.elapsed(), &right, &right);

    let start = Instant::now();
    let threaded = count_in_threads(&texts);
    report(
        &format!("{THREADS} threads"),
        start.elapsed(),
        &threaded,
        &right,
    );

    let pool = Pool::builder().build()?;
    let start = Instant::now();
    let parallel = pool.map(count, texts.iter().map(String::as_str))?;
    report(
        &format!("pool of {}", pool.workers()),
        start.elapsed(),
        &parallel,
        &right,
    );
    assert_eq!(parallel, right);
    Ok(())
}

fn count_in_threads(texts: &[String]) -> Vec<(u32, u32)> {
    thread::scope(|scope| {
        let threads: Vec<_> = texts
            .chunks(texts.len().div_ceil(THREADS))
            .map(|texts| scope.spawn(|| texts.iter().map(|text| count(text)).collect::<Vec<_>>()))
            .collect();
        let counts = threads
            .into_iter()
            .map(|thread| thread.join().expect("no text panics"));
        counts.flatten().collect()
    })
}

fn report(who: &str, time: Duration, counts: &[(u32, u32)], right: &[(u32, u32)]) {
    let wrong = counts.iter().zip(right).filter(|(a, b)| a != b).count();
    println!(
        "{who:<12} {time:>9.2?}  {wrong:>4} of {} counts are wrong",
        right.len()
    );
}

/// A text that is the same in every run, of words with one or two syllables.
fn text(number: u32) -> String {
    const SYLLABLES: [&str; 12] = [
        "ka", "lo", "mi", "ter", "su", "ran", "po", "vel", "da", "nes", "qui", "bor",
    ];
    let mut state = number;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut text = String::new();
    for _ in 0..5_000 + random(5_000) {
        for _ in 0..1 + random(2) {
            text += SYLLABLES[random(12) as usize];
        }
        text += " ";
    }
    text
}
