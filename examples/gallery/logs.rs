//! What tasks log, in the program's own subscriber: with worker, function and item.
//!
//! `cargo run --release --example logs`
//!
//! A task here uses `tracing`, one uses `log`, one crashes right after its last words. The program has one
//! ordinary subscriber, which prints, and knows nothing of workers; each line says which task it is from:
//!
//! ```text
//!  INFO import{run=1}:task{function="logs::import" item=2 worker=4711}: reading file="2.csv" size=2048
//! ERROR import{run=1}:task{function="logs::import" item=2 worker=4711}:parse{line=7}: no number, and a bug behind it
//! ```

use std::error::Error;
use std::io::{self, IsTerminal};

use parproc::{Pool, parallel};
use tracing::{Level, debug, error, info, info_span, instrument};

#[parallel]
fn import(file: String, size: u64) -> u64 {
    info!(file, size, "reading");
    if size == 2048 {
        parse(7);
    }
    // As a library would that knows nothing of spans.
    log::info!("{size} bytes are {} blocks", size / 512);
    debug!("nobody wants to hear this, so it is not even sent");
    size / 512
}

#[instrument]
fn parse(line: u32) {
    error!("no number, and a bug behind it");
    std::process::abort();
}

fn main() -> Result<(), Box<dyn Error>> {
    // Takes in `log` as well.
    tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_target(false)
        .with_ansi(io::stdout().is_terminal())
        .without_time()
        .init();
    let pool = Pool::builder().workers(2).build()?;
    let files = (0..5).map(|number| (format!("{number}.csv"), 1024 * number));
    let outcomes = info_span!("import", run = 1).in_scope(|| pool.outcomes(import, files))?;
    for outcome in &outcomes {
        match outcome {
            Ok(blocks) => info!(blocks, "imported"),
            Err(error) => error!(item = error.index(), crash = error.is_crash(), "failed"),
        }
    }
    Ok(())
}
