//! Files that hang, explode and crash their parsers, parsed all the same.
//!
//! `cargo run --release --example parse_hostile`
//!
//! It writes 60 small files into a temporary folder: JSON, gzip, regular expressions and PCX pictures,
//! good ones and hostile ones. Some are nested so deeply that the parser's recursion overflows the
//! stack, some unpack to gigabytes, some would be matched for years, and some make an old C library
//! run wild. Worker processes parse them, each with half a second and 256 MiB of memory, and with a
//! second attempt if the first one kills the worker. It prints a table of what came of each file, and
//! the totals. `PARPROC_INLINE=1` shows how far the program comes without workers.

#![expect(unsafe_code, reason = "a C library is called")]

mod hostile;

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint};
use std::io::Read;
use std::path::Path;
use std::time::Instant;
use std::{fs, slice};

use fancy_regex::RegexBuilder;
use flate2::read::MultiGzDecoder;
use parproc::{Pool, TaskError, parallel};
use serde::Deserialize;
use serde_json::Value;

/// What was found in the file, or why the parser refuses it.
#[parallel(timeout = "500ms", memory_limit = "256MiB", retries = 1)]
fn parse(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => json(&bytes),
        Some("gz") => gzip(bytes),
        Some("regex") => regex(&bytes),
        Some("pcx") => pcx(&bytes),
        _ => Err("an unknown kind of file".to_owned()),
    }
}

fn json(bytes: &[u8]) -> Result<String, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(format!("{} values", count(&value)))
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Unpacks until what is left is not packed.
fn gzip(mut bytes: Vec<u8>) -> Result<String, String> {
    loop {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut unpacked)
            .map_err(|error| error.to_string())?;
        bytes = unpacked;
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            return Ok(format!("{} bytes", bytes.len()));
        }
    }
}

/// Counts the matches of the pattern in the first line with the text in the others.
fn regex(bytes: &[u8]) -> Result<String, String> {
    let file = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (pattern, text) = file.split_once('\n').ok_or("there is no text")?;
    let regex = RegexBuilder::new(pattern)
        .backtrack_limit(usize::MAX)
        .build()
        .map_err(|error| error.to_string())?;
    let mut matches = 0;
    for found in regex.find_iter(text) {
        found.map_err(|error| error.to_string())?;
        matches += 1;
    }
    Ok(format!("{matches} matches"))
}

#[link(name = "pcx", kind = "static")]
unsafe extern "C" {
    fn pcx_open(data: *const u8, length: usize) -> c_int;
    fn pcx_decode();
    safe fn pcx_width() -> c_uint;
    safe fn pcx_height() -> c_uint;
    safe fn pcx_pixels() -> *const u8;
}

fn pcx(bytes: &[u8]) -> Result<String, String> {
    // SAFETY: the library reads the bytes, as many as it is told, and they are there until it has
    // decoded them.
    if unsafe { pcx_open(bytes.as_ptr(), bytes.len()) } == 0 {
        return Err("no PCX picture of 256 colours".to_owned());
    }
    // SAFETY: the bytes are still there. For some of the files that is not enough, and the library
    // uses a null pointer: that is why it runs in a worker.
    unsafe { pcx_decode() };
    let (width, height) = (pcx_width() as usize, pcx_height() as usize);
    // SAFETY: it has decoded this many pixels of 3 bytes, and keeps them until the next picture.
    let pixels = unsafe { slice::from_raw_parts(pcx_pixels(), 3 * width * height) };
    let light = pixels.iter().map(|&part| usize::from(part)).sum::<usize>();
    let mean = light / pixels.len().max(1);
    Ok(format!("{width} × {height} pixels, mean brightness {mean}"))
}

/// What came of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Parsed,
    Refused,
    TimedOut,
    OutOfMemory,
    Crashed,
    Failed,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Verdict::Parsed => "parsed",
            Verdict::Refused => "refused",
            Verdict::TimedOut => "timed out",
            Verdict::OutOfMemory => "out of memory",
            Verdict::Crashed => "crashed",
            Verdict::Failed => "failed",
        }
    }
}

fn judge(result: Result<Result<String, String>, TaskError>) -> (Verdict, String) {
    let error = match result {
        Ok(Ok(found)) => return (Verdict::Parsed, found),
        Ok(Err(reason)) => return (Verdict::Refused, reason),
        Err(error) => error,
    };
    if error.is_timeout() {
        let limit = error.time_limit().unwrap_or_default();
        (Verdict::TimedOut, format!("killed after {limit:?}"))
    } else if error.is_memory() {
        let peak = error.peak_memory().unwrap_or_default() >> 20;
        (Verdict::OutOfMemory, format!("killed at {peak} MiB"))
    } else if let Some(signal) = error.signal() {
        let place = match error.fault_address() {
            _ if error.is_stack_overflow() => ", stack overflow".to_owned(),
            Some(address) => format!(" at address {address:#x}"),
            None => String::new(),
        };
        (Verdict::Crashed, format!("signal {signal}{place}"))
    } else {
        (Verdict::Failed, error.to_string())
    }
}

fn print_row(file: &str, content: &str, outcome: &str, attempts: &str, details: &str) {
    println!("{file:<17}  {content:<30}  {outcome:<13}  {attempts:>8}  {details}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let files = hostile::write_all(folder.path())?;

    let pool = Pool::builder().build()?;
    let start = Instant::now();
    let paths = files.iter().map(|file| file.path.as_path());
    let reports = pool.job(parse).reports(paths)?;
    let time = start.elapsed();

    print_row("file", "content", "outcome", "attempts", "details");
    let [file, content, outcome, attempts, details] = [17, 30, 13, 8, 40].map(|n| "─".repeat(n));
    print_row(&file, &content, &outcome, &attempts, &details);
    let mut totals = BTreeMap::new();
    for (file, report) in files.iter().zip(reports) {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let attempts = report.attempts.to_string();
        let (verdict, details) = judge(report.result);
        print_row(&name, file.content, verdict.text(), &attempts, &details);
        *totals.entry(verdict).or_insert(0) += 1;
    }

    let totals = totals
        .iter()
        .map(|(verdict, count)| format!("{count} {}", verdict.text()));
    println!(
        "\n{} files in {time:.1?} on {} workers: {}; this program is still alive.",
        files.len(),
        pool.workers(),
        totals.collect::<Vec<_>>().join(", "),
    );
    Ok(())
}
