//! What is done in the pages of the tests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parproc::observe::HtmlReport;
use parproc::{Pool, parallel};
use tempfile::TempDir;

/// What a task writes that would like to be a page of its own.
pub(crate) const HOSTILE: &str = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)><!-- \u{2028} &lt;b>";

#[parallel]
pub(crate) fn spin(micros: u64) -> u64 {
    let begun = Instant::now();
    let mut sum = 0_u64;
    while begun.elapsed() < Duration::from_micros(micros) {
        sum = sum.wrapping_mul(31).wrapping_add(7);
    }
    sum
}

#[parallel]
pub(crate) fn resize(micros: u64) -> u64 {
    spin(micros)
}

#[parallel]
pub(crate) fn nap(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[parallel]
pub(crate) fn tiny(x: u64) -> u64 {
    x + 1
}

#[parallel]
pub(crate) fn waits_for(sign: &Path) {
    while !sign.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[parallel(timeout = "150ms", retries = 1)]
pub(crate) fn hostile(item: u64) -> u64 {
    match item % 40 {
        7 => panic!("{HOSTILE}"),
        19 => {
            eprintln!("assertion `page < last` failed");
            std::process::abort()
        }
        31 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => spin(500 + 370 * (item % 91)),
    }
}

/// A report about a pool.
pub(crate) fn report(folder: &TempDir, workers: usize, work: impl FnOnce(&Pool)) -> PathBuf {
    let path = folder.path().join("report.html");
    let report = HtmlReport::create(&path).unwrap();
    let pool = Pool::builder()
        .workers(workers)
        .observe(report)
        .build()
        .unwrap();
    work(&pool);
    pool.shutdown().unwrap();
    path
}
