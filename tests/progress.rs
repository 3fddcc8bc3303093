//! Progress bars: what stands on the screen, drawn in memory.

use indicatif::InMemoryTerm;
use parproc::observe::Progress;
use parproc::observe::indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use parproc::{Backoff, Pool, parallel};
use parproc_tests::{Meeting, meet};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn hostile(x: u64) -> u64 {
    match x % 10 {
        3 => panic!("three"),
        7 => std::process::abort(),
        _ => x,
    }
}

#[parallel]
fn comes(meeting: &str) {
    if !meeting.is_empty() {
        meet(meeting, 0);
    }
}

/// A screen of so many columns, and what is drawn there.
fn screen(columns: u16) -> (InMemoryTerm, MultiProgress) {
    let term = InMemoryTerm::new(20, columns);
    let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
    (term, MultiProgress::with_draw_target(target))
}

/// Waits until that stands on the screen.
fn until(term: &InMemoryTerm, wanted: &str) -> String {
    loop {
        let contents = term.contents();
        if contents.contains(wanted) {
            return contents;
        }
        std::thread::yield_now();
    }
}

fn pool() -> Pool {
    Pool::builder().workers(2).build().unwrap()
}

#[test]
fn a_call_that_is_done_leaves_a_full_bar() {
    let (term, bars) = screen(80);
    let job = pool();
    let job = job.job(square).progress_in(&bars, "squaring");
    assert_eq!(job.map(0..12_345).unwrap().len(), 12_345);
    let contents = term.contents();
    assert_eq!(contents.lines().count(), 1, "{contents}");
    assert!(contents.starts_with("squaring ━━━━━"), "{contents}");
    assert!(contents.contains("━ 12,345/12,345 "), "{contents}");
    assert!(contents.contains("/s "), "{contents}");
    assert!(
        !contents.contains("left") && !contents.contains("failed"),
        "{contents}"
    );
}

#[test]
fn a_running_call_shows_how_far_it_is() {
    let (term, bars) = screen(80);
    let pool = pool();
    let meeting = Meeting::new();
    std::thread::scope(|scope| {
        let job = pool.job(comes).chunk_size(1).progress_in(&bars, "visits");
        let names: Vec<_> = (0..10)
            .map(|x| if x == 5 { meeting.name() } else { "" })
            .collect();
        let call = scope.spawn(move || job.for_each(names).unwrap());
        let guest = meeting.wait();
        let contents = until(&term, " 9/10 ");
        assert!(contents.contains(" left"), "{contents}");
        assert!(contents.contains("╸"), "{contents}");
        drop(guest);
        call.join().unwrap();
    });
    assert!(term.contents().contains(" 10/10 "));
}

#[test]
fn failures_and_retries_are_counted_once() {
    let (term, bars) = screen(100);
    let pool = pool();
    let job = || {
        let job = pool.job(hostile).retries(1).backoff(Backoff::none());
        job.progress_in(&bars, "hostile")
    };
    assert_eq!(job().outcomes(0..20).unwrap().len(), 20);
    let contents = term.contents();
    assert!(contents.contains(" 20/20 "), "{contents}");
    assert!(contents.contains("  4 failed  2 tried again"), "{contents}");
    // Panics too, and results.
    let job = job().retry_if(|outcome| !matches!(outcome, Ok(0)));
    assert_eq!(job.outcomes([0, 1, 3]).unwrap().len(), 3);
    let contents = term.contents();
    let last = contents.lines().last().unwrap();
    assert!(
        last.contains(" 3/3 ") && last.contains("  1 failed  2 tried again"),
        "{contents}"
    );
}

#[test]
fn a_number_that_nobody_knows_is_counted() {
    let (term, bars) = screen(80);
    let pool = pool();
    let items = (0..).take_while(|x| *x < 5000);
    let job = pool.job(square).progress_in(&bars, "some");
    assert_eq!(job.map(items).unwrap().len(), 5000);
    let contents = term.contents();
    assert!(contents.starts_with("some 5,000  "), "{contents}");
    assert!(!contents.contains("5,000/"), "{contents}");
}

#[test]
fn a_lazy_call_that_is_dropped_leaves_what_it_reached() {
    let (term, bars) = screen(80);
    let pool = pool();
    let job = pool.job(square).read_ahead(8).progress_in(&bars, "lazy");
    let mut results = job.imap(0..1000).unwrap();
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(results);
    let contents = term.contents();
    assert!(contents.starts_with("lazy "), "{contents}");
    assert!(
        contents.contains("/1,000 ") && !contents.contains("1,000/1,000"),
        "{contents}"
    );
    assert!(!contents.contains("left"), "{contents}");
}

#[test]
fn a_call_that_fails_leaves_what_it_reached() {
    let (term, bars) = screen(80);
    let pool = pool();
    let job = pool.job(hostile).chunk_size(1).progress_in(&bars, "fails");
    assert!(job.map(0..1000).unwrap_err().task().unwrap().is_panic());
    let contents = term.contents();
    assert!(
        contents.contains("/1,000 ") && contents.contains(" failed"),
        "{contents}"
    );
}

#[test]
fn no_items_leave_nothing() {
    let (term, bars) = screen(80);
    let pool = pool();
    let job = pool.job(square).progress_in(&bars, "nothing");
    assert!(job.map(0..0).unwrap().is_empty());
    assert_eq!(term.contents(), "");
}

#[test]
fn it_stands_among_the_bars_of_the_program() {
    let (term, bars) = screen(80);
    let own = bars.add(ProgressBar::new(3).with_prefix("mine"));
    own.set_style(indicatif::ProgressStyle::with_template("{prefix} {pos}").unwrap());
    own.tick();
    let pool = pool();
    for name in ["first", "second"] {
        let job = pool.job(square).progress_in(&bars, name);
        job.map(0..10).unwrap();
        own.inc(1);
    }
    own.tick();
    let contents = term.contents();
    let lines: Vec<_> = contents.lines().collect();
    assert_eq!(lines.len(), 3, "{contents}");
    assert_eq!(lines[0], "mine 2");
    assert!(
        lines[1].starts_with("first ━") && lines[2].starts_with("second ━"),
        "{contents}"
    );
}

#[test]
fn one_of_a_pool_counts_all_its_calls() {
    let (term, bars) = screen(80);
    let builder = Pool::builder().workers(2);
    let pool = builder
        .observe(Progress::new_in(&bars, "all"))
        .build()
        .unwrap();
    pool.map(square, 0..100).unwrap();
    pool.map(square, 0..50).unwrap();
    drop(pool);
    let contents = term.contents();
    assert!(contents.contains(" 150/150 "), "{contents}");
}

#[test]
fn an_inline_pool_has_one_too() {
    let (term, bars) = screen(80);
    let pool = Pool::builder().inline().build().unwrap();
    let job = pool.job(square).progress_in(&bars, "here");
    job.map(0..10).unwrap();
    assert!(term.contents().contains(" 10/10 "));
}

#[test]
fn what_a_journal_has_counts_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("squares");
    let pool = pool();
    for items in [50, 80] {
        let (term, bars) = screen(80);
        let job = pool.job(square).journal(&journal);
        job.progress_in(&bars, "squaring").map(0..items).unwrap();
        let contents = term.contents();
        let wanted = format!(" {items}/{items} ");
        assert!(contents.contains(&wanted), "{contents}");
    }
    let stats = pool.stats();
    let by_workers = stats.workers().iter().map(|worker| worker.items());
    assert_eq!((stats.done(), by_workers.sum::<u64>()), (130, 80));
}
