//! Repeating calls.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{self, Stdio};

use parproc::replay::SavedInput;
use parproc::{Pool, TaskError, par_map, parallel, worker};
use parproc_tests::{children, in_time, is_of_launcher};
use tempfile::TempDir;

use super::{End, checks, digests, ends, files, keeping, replay_here, run, said, tells_of_itself};

/// The saved input of a call that ends so.
fn saved(folder: &TempDir, end: End) -> PathBuf {
    let outcomes = keeping(folder).outcomes(ends, [(End::Well, 0), (end, 1)]);
    path(outcomes.unwrap()[1].as_ref().unwrap_err())
}

fn path(error: &TaskError) -> PathBuf {
    error.saved_input().unwrap().to_owned()
}

#[test]
fn a_segmentation_fault_is_one_again() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder, End::Segfault);
        let output = run(&mut replay_here(&file));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
        let text = said(&output);
        assert!(
            text.contains("repeating `replay::ends`, item 1, with 7 bytes"),
            "{text}"
        );
        assert!(
            text.contains("what attempt 1 at it said: `replay::ends`, item 1: its worker"),
            "{text}"
        );
        assert!(text.contains("SIGSEGV"), "{text}");
        let place = "`fn ends(end: End, _item: u32) -> Result<u32, String>` is at ";
        let (_, place) = text.split_once(place).unwrap_or_else(|| panic!("{text}"));
        let line = place
            .lines()
            .next()
            .unwrap()
            .strip_prefix(file!().trim_end_matches("/repeat.rs"));
        let line = line.unwrap().strip_prefix(".rs:").unwrap();
        let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/replay.rs")).unwrap();
        let written = source
            .lines()
            .nth(line.parse::<usize>().unwrap() - 1)
            .unwrap();
        assert!(written.starts_with("fn ends("), "{written}");
    });
}

#[test]
fn a_panic_is_one_again_and_printed_as_usual() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder, End::Panic);
        let output = run(&mut replay_here(&file));
        assert_eq!(output.status.code(), Some(101));
        let text = said(&output);
        assert!(text.contains("panicked at "), "{text}");
        assert!(text.contains("\nas it was told\n"), "{text}");
        assert!(
            text.ends_with("parproc: `replay::ends` panicked\n"),
            "{text}"
        );
    });
}

#[test]
fn an_exit_and_an_abort_are_ones_again() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let output = run(&mut replay_here(&saved(&folder, End::Exit)));
        assert_eq!(output.status.code(), Some(3));
        let output = run(&mut replay_here(&saved(&folder, End::Abort)));
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    });
}

#[test]
fn an_item_that_does_not_fail_any_more_returns() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let answer = folder.path().join("answer");
        let name = answer.to_str().unwrap();
        let error = keeping(&folder).map(checks, [name]).unwrap_err();
        let file = path(error.task().unwrap());
        let cases = [
            ("4711", "returned: its result has 3 bytes"),
            ("no number", "returned an `Err`: its result has 11 bytes"),
        ];
        for (text, end) in cases {
            fs::write(&answer, text).unwrap();
            let output = run(&mut replay_here(&file));
            assert_eq!(output.status.code(), Some(0));
            let text = said(&output);
            assert!(
                text.ends_with(&format!("parproc: `replay::checks` {end}\n")),
                "{text}"
            );
        }
    });
}

#[test]
fn arguments_are_the_same_to_the_last_byte() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let numbers: Vec<f64> = (0..200_000).map(f64::from).collect();
        let bytes: Vec<u8> = (0..100_000).map(|n| (n % 251) as u8).collect();
        let wanted = super::digest(&numbers, "and text", &bytes, 77);
        let error = keeping(&folder).map(digests, [(numbers, "and text", &bytes[..], 77)]);
        let error = error.unwrap_err();
        let output = run(&mut replay_here(&path(error.task().unwrap())));
        assert_eq!(output.status.code(), Some(101));
        let text = said(&output);
        assert!(text.contains(&format!("\n{wanted}\n")), "{text}");
    });
}

#[test]
fn the_item_knows_the_same_of_itself() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let job = || pool.job(tells_of_itself).seed(3);
        let items = job().outcomes([0; 3]).unwrap();
        let of_task = job().spawn(0).unwrap().join().unwrap_err();
        let errors = items.iter().map(|item| item.as_ref().unwrap_err());
        for error in errors.chain(of_task.task()) {
            let told = error.panic_message().unwrap();
            assert!(told.contains("tells_of_itself: item Some("), "{told}");
            let text = said(&run(&mut replay_here(&path(error))));
            assert!(text.contains(told), "{told}: {text}");
        }
    });
}

#[test]
fn what_does_not_pass_is_told() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let error = pool.map(super::takes_one_way, [super::OneWay]).unwrap_err();
        let output = run(&mut replay_here(&path(error.task().unwrap())));
        assert_eq!(output.status.code(), Some(1));
        let text = said(&output);
        assert!(text.contains("gave no result: "), "{text}");
        assert!(text.contains("no way back"), "{text}");
    });
}

#[parallel]
fn double(x: u32) -> u32 {
    2 * x
}

/// Aborts in a pool's worker; tells about its process otherwise.
#[parallel]
fn looks_around(worker: bool) {
    if worker && std::env::args().nth(1).as_deref() != Some("its") {
        process::abort();
    }
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("PARPROC_"));
    let variables: Vec<_> = variables
        .filter(|(name, _)| !is_of_launcher(name))
        .collect();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap();
    // The call's own calls run in this process, as in a worker.
    let doubled = par_map(double, 0..3).unwrap();
    eprintln!(
        "process {}, {}, {}, variables {variables:?}, doubled {doubled:?}, children {:?}",
        process::id(),
        line("SigCgt:"),
        line("Threads:"),
        children(),
    );
}

#[test]
fn the_call_is_alone_in_the_process_that_was_started() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let error = keeping(&folder).map(looks_around, [true]).unwrap_err();
        let mut command = replay_here(&path(error.task().unwrap()));
        for variable in ["PARPROC_WORKERS", "PARPROC_INLINE"] {
            command.env_remove(variable);
        }
        command.env("PARPROC_REPLAY_ANY_BUILD", "1");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        let id = child.id();
        let output = child.wait_with_output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        let expected = format!(
            "process {id}, SigCgt:\t0000000000000000, Threads:\t1, variables [], doubled [0, 2, 4], children []"
        );
        assert!(text.contains(&expected), "{text}");
    });
}

/// Keeps the words; in a call that is repeated only if it is one.
#[parallel]
fn prepares(words: Vec<String>) -> Result<(), String> {
    if words.len() > 1 && std::env::args().nth(1).as_deref() == Some("its") {
        return Err(words.concat());
    }
    worker::set_local(words);
    Ok(())
}

/// Aborts behind what `prepares` has prepared.
#[parallel]
fn needs_words(index: usize) -> usize {
    let found = worker::with_local(|words: &mut Vec<String>| words[index].len());
    eprintln!("found {found:?}");
    process::abort()
}

#[test]
fn what_the_pool_prepared_is_there() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let repeat = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let builder = Pool::builder().workers(1).crash_dir(folder.path());
            let pool = builder.init(prepares, words).build().unwrap();
            let error = pool.map(needs_words, [0]).unwrap_err();
            let file = path(error.task().unwrap());
            let name = SavedInput::open(&file).unwrap();
            assert_eq!(name.init_function(), Some("replay::repeat::prepares"));
            run(&mut replay_here(&file))
        };
        let output = repeat(&["model"]);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let text = said(&output);
        let init = "the pool's init function `replay::repeat::prepares` returned: ";
        assert!(
            text.contains(init) && text.contains("found Some(5)"),
            "{text}"
        );

        let output = repeat(&["two", "words"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let init = "the pool's init function `replay::repeat::prepares` returned an `Err`: ";
        let (_, after) = text.split_once(init).expect("the end of init");
        assert!(!after.contains("found"), "{text}");
    });
}

#[test]
fn nothing_is_kept_of_a_call_that_is_repeated() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder, End::Panic);
        let mut command = replay_here(&file);
        let output = command
            .env("PARPROC_CRASH_DIR", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(101));
        assert_eq!(files(folder.path()), [file]);
    });
}
