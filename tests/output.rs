//! What workers write: where it arrives, whole and in order, and which item it is told of.
//!
//! Programs are this test binary with piped streams: what they print can be compared byte by byte.

#![expect(
    unsafe_code,
    reason = "tasks write through the C library, and crash on purpose"
)]

use std::collections::BTreeMap;
use std::ffi::{c_char, c_uint};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Output, Pool, Report, TaskError, parallel};
use parproc_tests::{
    LIMIT, Meeting, Process, in_time, is_launched, meet, program, role, settled, succeeds, within,
};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

const LINES: usize = 10_000;
/// Each line, and each task, tells where it is from.
const PER_TASK: usize = 100;

fn piped(stdout: Output, stderr: Output) -> Pool {
    with_workers(2, stdout, stderr)
}

fn with_workers(workers: usize, stdout: Output, stderr: Output) -> Pool {
    let builder = Pool::builder().workers(workers);
    builder.stdout(stdout).stderr(stderr).build().unwrap()
}

/// What a program that `test` is with this role prints to its two streams.
fn printed(test: &str, role: &str) -> (Vec<u8>, Vec<u8>) {
    let output = program(test, role).output().unwrap();
    let (said, errors) = (output.stdout, output.stderr);
    let end = String::from_utf8_lossy(&errors[errors.len().saturating_sub(2000)..]);
    assert!(output.status.success(), "{end}");
    (said, errors)
}

fn mode(name: &str) -> Output {
    match name {
        "inherit" => Output::Inherit,
        "tail" => Output::Tail,
        "prefixed" => Output::Prefixed,
        "captured" => Output::Captured,
        "null" => Output::Null,
        other => panic!("no mode {other}"),
    }
}

/// Writes lines, each in one piece or in several, to both streams.
#[parallel]
fn write_lines(first: usize, pieces: bool) -> u32 {
    let own = process::id();
    for line in first..first + PER_TASK {
        let text = format!("line {line} of {own}\n");
        let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
        let (begin, end) = text.split_at(if pieces { 7 } else { 0 });
        for part in [begin, end] {
            stdout.write_all(part.as_bytes()).unwrap();
            stderr.write_all(part.as_bytes()).unwrap();
        }
    }
    own
}

#[parallel]
fn come(meeting: &str) {
    meet(meeting, 0);
}

/// The program: two workers write [`LINES`] lines to both streams.
#[test]
fn program_that_writes_lines() {
    let Some(role) = role() else { return };
    let pool = piped(mode(&role), mode(&role));
    let starts = (0..LINES).step_by(PER_TASK);
    let pieces = role == "prefixed";
    // Both workers have to be there before one of them can have done it all.
    let meeting = Meeting::new();
    let tasks = [(); 2].map(|()| pool.spawn(come, meeting.name()).unwrap());
    drop([meeting.wait(), meeting.wait()]);
    for task in tasks {
        task.join().unwrap();
    }
    let job = pool.job(write_lines).chunk_size(3);
    let mut pids = job.map(starts.map(|first| (first, pieces))).unwrap();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 2);
}

/// Each line is there once, and those of one task in their order; gives what is before each line.
fn check_lines(printed: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(printed).unwrap();
    let mut last = BTreeMap::new();
    let mut seen = vec![0; LINES];
    let mut found = Vec::new();
    for line in text.lines() {
        // The harness says something, too.
        let Some((before, said)) = line.split_once("line ") else {
            continue;
        };
        let (number, own) = said.split_once(" of ").unwrap();
        let number: usize = number.parse().unwrap();
        seen[number] += 1;
        let before_it = last.insert(number / PER_TASK, number);
        assert!(before_it.is_none_or(|one| one + 1 == number), "{line}");
        found.push((before.to_owned(), own.to_owned()));
    }
    assert_eq!(seen, vec![1; LINES]);
    found
}

#[test]
fn lines_of_two_workers_arrive_whole_and_in_order() {
    in_time(|| {
        for mode in ["inherit", "tail"] {
            let (stdout, stderr) = printed("program_that_writes_lines", mode);
            for stream in [stdout, stderr] {
                let found = check_lines(&stream);
                assert!(found.iter().all(|(before, _)| before.is_empty()), "{mode}");
            }
        }
    });
}

#[test]
fn prefixed_lines_are_whole_though_they_were_written_in_pieces() {
    in_time(|| {
        let (stdout, stderr) = printed("program_that_writes_lines", "prefixed");
        for stream in [stdout, stderr] {
            for (before, own) in check_lines(&stream) {
                let inner = before.strip_prefix('[').and_then(|b| b.strip_suffix("] "));
                let (name, pid) = inner.and_then(|inner| inner.split_once(' ')).unwrap();
                assert_eq!(pid, own);
                assert!(name.starts_with("output-") && name.len() == 15, "{before}");
            }
        }
    });
}

#[test]
fn nothing_arrives_of_what_is_captured_or_dropped() {
    in_time(|| {
        for mode in ["captured", "null"] {
            let (stdout, stderr) = printed("program_that_writes_lines", mode);
            assert!(!stdout.windows(5).any(|part| part == b"line "), "{mode}");
            assert!(stderr.is_empty(), "{mode}");
        }
    });
}

#[parallel]
fn stream_files() -> (PathBuf, PathBuf) {
    let file = |number| fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    (file(1), file(2))
}

#[test]
fn inherited_streams_are_the_program_s_own_and_dropped_ones_are_dev_null() {
    in_time(|| {
        let own = stream_files();
        let pool = piped(Output::Inherit, Output::Inherit);
        let inherited = pool.map(stream_files, [()]).unwrap();
        // Those of a node are its own.
        assert!(is_launched() || inherited == [own]);
        let null = PathBuf::from("/dev/null");
        let pool = piped(Output::Null, Output::Null);
        assert_eq!(
            pool.map(stream_files, [()]).unwrap(),
            [(null.clone(), null)]
        );
    });
}

/// Bytes of all values, without any order.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[parallel]
fn write_noise(len: usize) {
    io::stderr().write_all(&noise(len)).unwrap();
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    const LEN: usize = 3_000_000;
    let test = "bytes_that_are_no_text_pass_unchanged";
    if role().is_some() {
        let pool = piped(Output::Inherit, Output::Tail);
        pool.map(write_noise, [LEN]).unwrap();
        return;
    }
    in_time(move || {
        let (_, stderr) = printed(test, "write");
        assert!(stderr == noise(LEN), "{} bytes", stderr.len());
    });
}

/// Writes a text, and is then done or ends its worker.
#[parallel]
fn write_text(text: &str, end: bool) {
    io::stderr().write_all(text.as_bytes()).unwrap();
    if end {
        process::abort();
    }
}

#[test]
fn a_last_line_that_is_not_whole_and_lines_that_are_too_long_are_passed_on() {
    let test = "a_last_line_that_is_not_whole_and_lines_that_are_too_long_are_passed_on";
    if let Some(role) = role() {
        let pool = with_workers(1, Output::Inherit, mode(&role));
        let long = "x".repeat(100_000);
        pool.map(write_text, [(&*long, false), ("\nend", false)])
            .unwrap();
        drop(pool);
        let pool = piped(Output::Inherit, mode(&role));
        assert!(pool.map(write_text, [("dead", true)]).is_err());
        drop(pool);
        eprintln!("and behind");
        return;
    }
    in_time(move || {
        let (_, stderr) = printed(test, "tail");
        let expected = format!("{}\nenddeadand behind\n", "x".repeat(100_000));
        assert!(stderr == expected.as_bytes(), "{} bytes", stderr.len());

        let (_, stderr) = printed(test, "prefixed");
        let text = String::from_utf8(stderr).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_once("] ").map_or(line, |(_, line)| line))
            .collect();
        let (first, second) = ("x".repeat(65_536), "x".repeat(100_000 - 65_536));
        assert!(lines == [&*first, &*second, "end", "dead", "and behind"]);
    });
}

#[test]
fn what_was_written_before_the_end_of_the_program_arrives_though_it_is_read_late() {
    let test = "what_was_written_before_the_end_of_the_program_arrives_though_it_is_read_late";
    // More than the pipe of the program holds, and less than fits in between.
    const LEN: usize = 150_000;
    if let Some(role) = role() {
        let own;
        let pool = match &*role {
            "global" => Pool::global().unwrap(),
            // Never dropped, as in a static.
            "leaked" => Box::leak(Box::new(piped(Output::Inherit, Output::Tail))),
            _ => {
                own = piped(Output::Inherit, Output::Tail);
                &own
            }
        };
        pool.map(write_noise, [LEN]).unwrap();
        println!("now it ends");
        if role == "shut down" {
            pool.shutdown().unwrap();
        }
        process::exit(0);
    }
    in_time(move || {
        for role in ["global", "leaked", "shut down"] {
            let mut child = program(test, role).spawn().unwrap();
            let mut said = BufReader::new(child.stdout.take().unwrap());
            let mut line = Vec::new();
            while !line.ends_with(b"now it ends\n") {
                assert_ne!(said.read_until(b'\n', &mut line).unwrap(), 0);
            }
            // Who does not wait for the reader has ended after this time; nothing else depends on it.
            thread::sleep(Duration::from_millis(300));
            let mut written = Vec::new();
            let mut stderr = child.stderr.take().unwrap();
            stderr.read_to_end(&mut written).unwrap();
            assert!(written == noise(LEN), "{role}: {} bytes", written.len());
            assert!(child.wait().unwrap().success());
        }
    });
}

/// Something that a task does after it has written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Deed {
    Nothing,
    Panic,
    Abort,
    Segfault,
    Exit,
    Kill,
    Hang,
    Assert,
    Child,
}

unsafe extern "C" {
    fn __assert_fail(what: *const c_char, file: *const c_char, line: c_uint, name: *const c_char);
}

/// Writes two lines that have its number, then does the deed.
#[parallel]
fn write_then(number: usize, deed: Deed) -> usize {
    eprintln!("first line of {number}");
    eprintln!("second line of {number}");
    match deed {
        Deed::Nothing => {}
        Deed::Panic => panic!("as asked for"),
        Deed::Abort => process::abort(),
        Deed::Segfault => {
            // SAFETY: none; nothing can be mapped at this address, and the kernel ends the process.
            unsafe { std::ptr::without_provenance_mut::<u64>(8).write_volatile(1) };
        }
        Deed::Exit => process::exit(3),
        Deed::Kill => kill_process(getpid(), Signal::KILL).unwrap(),
        Deed::Hang => loop {
            std::hint::spin_loop();
        },
        Deed::Assert => {
            let texts = (c"crumbs == 0", c"toaster.c", c"toast");
            // SAFETY: three C strings; the function ends the process.
            unsafe {
                __assert_fail(texts.0.as_ptr(), texts.1.as_ptr(), 42, texts.2.as_ptr());
            }
        }
        Deed::Child => {
            let script = "echo a child said this >&2";
            let status = Command::new("sh").args(["-c", script]).status();
            assert!(status.unwrap().success());
            process::abort();
        }
    }
    number
}

fn own_lines(number: usize) -> String {
    format!("first line of {number}\nsecond line of {number}\n")
}

#[test]
fn an_error_has_the_lines_of_its_own_item_and_no_others() {
    in_time(|| {
        let deeds = [
            Deed::Nothing,
            Deed::Panic,
            Deed::Abort,
            Deed::Nothing,
            Deed::Segfault,
            Deed::Exit,
            Deed::Nothing,
            Deed::Nothing,
            Deed::Kill,
            Deed::Panic,
            Deed::Panic,
            Deed::Hang,
            Deed::Assert,
            Deed::Child,
        ];
        for mode in [Output::Tail, Output::Prefixed, Output::Captured] {
            let pool = piped(Output::Inherit, mode);
            let job = pool.job(write_then).chunk_size(20);
            let job = job.timeout(Duration::from_millis(300));
            let outcomes = job.outcomes(deeds.into_iter().enumerate()).unwrap();
            for (number, (deed, outcome)) in deeds.iter().zip(outcomes).enumerate() {
                let more = match deed {
                    Deed::Nothing => {
                        assert_eq!(outcome.unwrap(), number);
                        continue;
                    }
                    Deed::Assert => "toaster.c:42: toast: Assertion `crumbs == 0' failed.",
                    Deed::Child => "a child said this\n",
                    _ => "",
                };
                let error = outcome.unwrap_err();
                assert_eq!(error.is_panic(), *deed == Deed::Panic);
                let own = own_lines(number);
                let rest = error.stderr().strip_prefix(&*own);
                let rest = rest.unwrap_or_else(|| panic!("{mode:?}, {deed:?}: {error}"));
                match deed {
                    // The C library says who is asserting, too.
                    Deed::Assert => assert!(rest.contains(more), "{rest}"),
                    _ => assert_eq!(rest, more, "{mode:?}, {deed:?}"),
                }
                let told = format!("{:?}", format!("second line of {number}"));
                assert!(error.to_string().contains(&told), "{error}");
            }
        }
    });
}

/// A single system call, in no time.
#[parallel]
fn write_number(number: usize, last: bool) {
    let text = format!("{number}\n");
    io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(!last, "as asked for");
}

#[test]
fn items_that_write_and_do_nothing_else_are_told_apart() {
    in_time(|| {
        let pool = piped(Output::Inherit, Output::Tail);
        for chunk in [1, 10, 2000] {
            let items = (0..2000).map(|number| (number, number % 100 == 99));
            let job = pool.job(write_number).chunk_size(chunk);
            let outcomes = job.outcomes(items).unwrap();
            let errors = outcomes.iter().filter_map(|one| one.as_ref().err());
            let texts: Vec<_> = errors
                .map(|error| (error.index(), error.stderr()))
                .collect();
            assert_eq!(texts.len(), 20);
            for (index, text) in texts {
                assert_eq!(text, format!("{index}\n"), "in chunks of {chunk}");
            }
        }
    });
}

#[parallel]
fn write_many(lines: usize) {
    for line in 0..lines {
        eprintln!("line {line}");
    }
    process::abort();
}

#[test]
fn as_many_lines_are_kept_as_asked_for() {
    in_time(|| {
        for lines in [0, 1, 3, 20, 100_000] {
            let builder = Pool::builder().workers(1).stderr_lines(lines);
            let pool = builder.build().unwrap();
            let error = pool.outcomes(write_many, [5000]).unwrap().remove(0);
            let error: TaskError = error.unwrap_err();
            let said: Vec<_> = error.stderr().lines().collect();
            let all: Vec<_> = (0..5000).map(|line| format!("line {line}")).collect();
            assert!(all.ends_with(&said.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()));
            if lines < 1000 {
                assert_eq!(said.len(), lines);
            } else {
                assert!(error.stderr().len() <= 16 << 10);
                assert!(error.stderr().len() > 15 << 10);
            }
        }
    });
}

/// Prints in all ways there are, `len` bytes of noise among it.
#[parallel]
fn print_all(number: usize, len: usize, fail: bool) -> Vec<u8> {
    print!("rust {number} without a newline");
    let text = std::ffi::CString::new(format!("|c {number}|")).unwrap();
    // SAFETY: a C string and the format for one.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
    eprint!("error {number}|");
    let script = format!("echo out of child {number}; echo error of child {number} >&2");
    if number.is_multiple_of(10) {
        io::stdout().flush().unwrap();
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.unwrap().success());
    }
    io::stderr().write_all(&noise(len)).unwrap();
    assert!(!fail, "as asked for");
    noise(len)
}

fn check_report(number: usize, len: usize, report: &Report<Vec<u8>>) {
    let (rust, c) = (
        format!("rust {number} without a newline"),
        format!("|c {number}|"),
    );
    let mut error = format!("error {number}|").into_bytes();
    let mut out = vec![[&*rust, &*c].concat()];
    if number.is_multiple_of(10) {
        let child = format!("out of child {number}\n");
        out = vec![[&*rust, &*child, &*c].concat()];
        error.extend_from_slice(format!("error of child {number}\n").as_bytes());
    }
    error.extend_from_slice(&noise(len));
    let said = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(out.contains(&said), "{number}: {said:?}, not {out:?}");
    assert!(report.stderr == error, "{number}");
    assert!(!report.is_output_cut);
}

#[test]
fn what_each_item_printed_is_in_its_report() {
    in_time(|| {
        let pool = piped(Output::Captured, Output::Captured);
        let len = |number: usize| match number {
            33 => 500_000,
            number => number % 7 * 100,
        };
        let items = (0..200).map(|number| (number, len(number), number == 50));
        let reports = pool.job(print_all).chunk_size(40).reports(items).unwrap();
        for (number, report) in reports.iter().enumerate() {
            check_report(number, len(number), report);
            match &report.result {
                Ok(value) => assert!(*value == noise(len(number))),
                Err(error) => {
                    assert!(number == 50 && error.is_panic());
                    let text = String::from_utf8_lossy(&report.stderr).into_owned();
                    assert!(text.ends_with(error.stderr()), "{error}");
                    assert!(!error.stderr().is_empty());
                }
            }
        }
    });
}

/// Writes that many bytes to standard output, and fails in the first attempts.
#[parallel]
fn write_and_retry(len: usize, file: &str) {
    use parproc_tests::note;
    note(file, "attempt");
    let attempts = fs::read_to_string(file).unwrap().lines().count();
    io::stdout().write_all(&vec![b'z'; len + attempts]).unwrap();
    io::stdout().flush().unwrap();
    if attempts < 3 {
        process::abort();
    }
}

#[test]
fn a_report_has_what_the_last_attempt_wrote_and_no_more_than_a_mebibyte() {
    in_time(|| {
        let pool = piped(Output::Captured, Output::Tail);
        for (len, kept) in [(10, 13), (3 << 20, 1 << 20)] {
            let tally = parproc_tests::Tally::new();
            let job = pool.job(write_and_retry).retries(5);
            let report = job.reports([(len, tally.path())]).unwrap().remove(0);
            report.result.unwrap();
            assert_eq!((report.attempts, report.stdout.len()), (3, kept));
            assert_eq!(report.is_output_cut, kept == 1 << 20);
            let tally = parproc_tests::Tally::new();
            let report = pool
                .job(write_and_retry)
                .reports([(len, tally.path())])
                .unwrap()
                .remove(0);
            assert!(report.result.unwrap_err().is_crash());
            let kept = kept.min(len + 1);
            assert_eq!((report.attempts, report.stdout.len()), (1, kept));
        }
    });
}

/// Writes to both streams, and never ends.
#[parallel]
fn write_without_end(endless: bool) -> u32 {
    let text = [b"0123456789 ".repeat(1000), b"\n".to_vec()].concat();
    if endless {
        loop {
            let _ = io::stdout().write_all(&text);
            let _ = io::stderr().write_all(&text);
        }
    }
    process::id()
}

fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The program: one item writes without end, the others are done meanwhile.
#[test]
fn program_with_an_endless_writer() {
    let Some(role) = role() else { return };
    let (name, file) = role.split_once(' ').unwrap_or((&role, ""));
    let pool = piped(mode(name), mode(name));
    let begin = Instant::now();
    let job = pool.job(write_without_end).chunk_size(1);
    let outcomes = job
        .timeout(Duration::from_millis(500))
        .outcomes((0..50).map(|number| number == 10))
        .unwrap();
    let late = begin.elapsed();
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), number == 10);
    }
    let error = outcomes[10].as_ref().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(late < Duration::from_secs(10), "{late:?}");
    assert!(resident() < 300 << 20, "{} bytes", resident());
    drop(pool);
    if !file.is_empty() {
        // Its streams may be full for ever, and the harness would have something to say.
        fs::write(file, "done").unwrap();
    }
    process::exit(7);
}

#[test]
fn a_worker_that_writes_without_end_is_ended_by_its_time_limit_and_stops_nobody() {
    in_time(|| {
        for mode in ["inherit", "tail", "prefixed", "captured", "null"] {
            let mut child = program("program_with_an_endless_writer", mode)
                .spawn()
                .unwrap();
            let mut stderr = child.stderr.take().unwrap();
            let thread = thread::spawn(move || {
                let (mut count, mut buffer) = (0, vec![0; 1 << 16]);
                while let Ok(len @ 1..) = stderr.read(&mut buffer) {
                    count += len;
                }
                count
            });
            let mut stdout = child.stdout.take().unwrap();
            io::copy(&mut stdout, &mut io::sink()).unwrap();
            let passed = thread.join().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(7), "{mode}");
            let passes = !["captured", "null"].contains(&mode);
            assert_eq!(passed > 1 << 20, passes, "{mode}: {passed}");
        }
    });
}

#[test]
fn streams_that_nobody_reads_or_that_are_closed_stop_no_deadline() {
    in_time(|| {
        let modes = ["tail", "prefixed", "captured"];
        let cases = modes.map(|mode| [(mode, false), (mode, true)]);
        // Each waits for a while until it gives up what it cannot pass on.
        let programs = cases.as_flattened().iter().map(|(mode, closed)| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let role = format!("{mode} {}", file.path().display());
            let mut child = program("program_with_an_endless_writer", role)
                .spawn()
                .unwrap();
            if *closed {
                // The harness insists on a standard output.
                child.stderr = None;
            }
            (mode, closed, file, child)
        });
        for (mode, closed, file, mut child) in programs.collect::<Vec<_>>() {
            let process = Process::watch(child.id());
            assert!(process.ends_within(LIMIT), "{mode}, closed {closed}");
            let code = child.wait().unwrap().code();
            assert_eq!(code, Some(7), "{mode}, closed {closed}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), "done");
        }
    });
}

/// The descriptors and threads of this process.
fn footprint() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[test]
fn no_descriptor_and_no_thread_is_left() {
    let test = "no_descriptor_and_no_thread_is_left";
    if role().is_none() {
        succeeds(program(test, "count").stderr(Stdio::null()));
        return;
    }
    within(3 * LIMIT, || {
        let before = footprint();
        for mode in ["inherit", "tail", "prefixed", "captured", "null"] {
            for _ in 0..20 {
                let pool = piped(self::mode(mode), self::mode(mode));
                let deeds = [Deed::Nothing, Deed::Abort, Deed::Panic, Deed::Exit];
                let items = deeds.into_iter().cycle().take(20).enumerate();
                let outcomes = pool.outcomes(write_then, items).unwrap();
                assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 5);
            }
            assert_eq!(settled(&before, footprint), before, "{mode}");
        }
    });
}
