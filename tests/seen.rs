//! Traces, reports and live pages that the environment or a builder asks for.
//!
//! The environment counts when the first pool is made, so each case is a run of this program of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use parproc::{Pool, par_map, parallel};
use serde_json::Value;

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn nested(x: u64) -> u64 {
    par_map(square, [x]).unwrap()[0]
}

/// This program again, as far as one of the ignored tests below.
fn program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", role, "--ignored", "--nocapture"]);
    command
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// The data of a report.
fn data(path: &Path) -> Value {
    let page = std::fs::read_to_string(path).unwrap();
    let begin = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = begin + page[begin..].find("</script>").unwrap();
    serde_json::from_str(&page[begin..end]).unwrap()
}

fn events(path: &Path) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn items(events: &[Value], pool: u64) -> usize {
    let items = events
        .iter()
        .filter(|event| event["cat"] == "item" && event["pid"] == pool);
    items.count()
}

#[test]
#[ignore = "run by others"]
fn works_with_three_pools() {
    assert_eq!(par_map(nested, 0..10_u64).unwrap()[9], 81);
    for _ in 0..2 {
        let pool = Pool::builder().workers(2).build().unwrap();
        pool.map(square, 0..5_u64).unwrap();
    }
}

#[test]
#[ignore = "run by others"]
fn dies_in_the_middle() {
    par_map(square, 0..100_u64).unwrap();
    // What happened is told with a delay, and is awaited here: then all is as if nobody were prepared.
    let trace = std::env::var("PARPROC_TRACE").unwrap();
    while !std::fs::read_to_string(&trace)
        .unwrap()
        .contains("\"ph\":\"e\"")
    {
        std::thread::yield_now();
    }
    std::process::abort();
}

#[test]
#[ignore = "run by others"]
fn makes_a_pool() {
    match Pool::builder().workers(1).build() {
        Ok(_) => println!("made"),
        Err(error) => println!("refused: {error}"),
    }
}

#[test]
#[ignore = "run by others"]
fn waits_for_input() {
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.map(square, 0..7_u64).unwrap();
    let address = pool.dashboard_address().unwrap().to_owned();
    drop(pool);
    // The page stays when a pool ends.
    println!("at {address}");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn the_environment_asks_for_files_of_all_pools() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(program("works_with_three_pools")
        .env("PARPROC_TRACE", folder.path().join("trace-%p.json"))
        .env("PARPROC_REPORT", folder.path().join("report.html")));
    assert!(output.status.success(), "{output:?}");
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    // Workers have the variables too, and pools; but no files.
    assert_eq!(names.len(), 2, "{names:?}");
    let trace = names
        .iter()
        .find(|path| path.extension().unwrap() == "json")
        .unwrap();
    let number = trace
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .replace("trace-", "");
    assert!(number.parse::<u32>().is_ok(), "{number}");
    let events = events(trace);
    assert_eq!([1, 2, 3].map(|pool| items(&events, pool)), [10, 5, 5]);

    let data = data(&folder.path().join("report.html"));
    assert_eq!(data["finished"], true);
    assert_eq!(data["totals"]["items"], 20);
    assert_eq!(data["totals"]["calls"], 3);
    assert_eq!(data["totals"]["running"], 0);
    let lanes = data["lanes"].as_array().unwrap();
    assert!(
        lanes
            .iter()
            .any(|lane| lane["label"] == "worker 0 of pool 3"),
        "{lanes:?}"
    );
    // All workers were seen to end.
    let lives = lanes
        .iter()
        .flat_map(|lane| lane["lives"].as_array().unwrap());
    assert!(lives.clone().count() >= 3);
    assert!(lives.clone().all(|life| life["ended"].is_u64()));
}

#[test]
fn a_program_that_dies_leaves_files_that_open() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, report) = (
        folder.path().join("trace.json"),
        folder.path().join("report.html"),
    );
    let output = run(program("dies_in_the_middle")
        .env("PARPROC_TRACE", &trace)
        .env("PARPROC_REPORT", &report));
    assert!(!output.status.success());
    // The format allows the array to have no end.
    let text = std::fs::read_to_string(&trace).unwrap();
    let whole: Vec<Value> = serde_json::from_str(&format!("{}\n]", text.trim_end())).unwrap();
    assert_eq!(items(&whole, 1), 100);
    assert_eq!(
        data(&report)["program"].as_str().unwrap().split('-').next(),
        Some("seen")
    );
}

#[test]
fn what_cannot_be_done_is_an_error() {
    for (name, value, said) in [
        (
            "PARPROC_TRACE",
            "/nowhere/trace.json",
            "cannot create /nowhere/trace.json",
        ),
        (
            "PARPROC_REPORT",
            "/nowhere/report.html",
            "cannot write /nowhere/report.html",
        ),
        (
            "PARPROC_DASHBOARD",
            "example.com:80",
            "the address \"example.com:80\"",
        ),
    ] {
        let output = run(program("makes_a_pool").env(name, value));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("refused: ") && text.contains(said), "{text}");
    }
    // Empty is as if it were not there.
    let output = run(program("makes_a_pool").env("PARPROC_TRACE", ""));
    assert!(String::from_utf8(output.stdout).unwrap().contains("made"));
}

#[test]
fn the_environment_asks_for_a_live_page() {
    let mut child = program("waits_for_input")
        .env("PARPROC_DASHBOARD", "127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.find_map(|line| {
        line.unwrap()
            .split_once("at http")
            .map(|(_, rest)| format!("http{rest}"))
    });
    let told = told.unwrap();
    let mut printed = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut printed)
        .unwrap();
    assert_eq!(printed, format!("parproc: live page at {told}\n"));

    let (place, path) = told
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(place).unwrap();
    write!(
        stream,
        "GET /{path}data.json HTTP/1.1\r\nHost: {place}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["totals"]["items"], 7);

    drop(child.stdin.take());
    for line in lines {
        line.unwrap();
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn pools_that_name_one_file_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, report) = (
        folder.path().join("trace.json"),
        folder.path().join("report.html"),
    );
    let builder = Pool::builder().workers(1).trace(&trace).report(&report);
    let first = builder.clone().build().unwrap();
    let second = builder.build().unwrap();
    first.map(square, 0..3_u64).unwrap();
    second.map(square, 0..4_u64).unwrap();
    drop(first);
    second.map(square, 0..4_u64).unwrap();
    drop(second);
    let events = events(&trace);
    let mut counts = [1, 2].map(|pool| items(&events, pool));
    counts.sort_unstable();
    assert_eq!(counts, [3, 8]);
    let data = data(&report);
    assert_eq!(
        (&data["finished"], &data["totals"]["items"]),
        (&Value::Bool(true), &Value::from(11))
    );
}

#[test]
fn a_report_leaves_links_and_special_files() {
    let folder = tempfile::tempdir().unwrap();
    let [target, link, pipe] = ["target", "link", "pipe"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Nobody reads the pipe.
    let pool = Pool::builder().workers(1).report(&link).build().unwrap();
    let other = Pool::builder().workers(1).report(&pipe).build().unwrap();
    pool.map(square, 0..3_u64).unwrap();
    other.map(square, 0..3_u64).unwrap();
    drop((pool, other));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(data(&target)["totals"]["items"], 3);
    let kept = std::fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kept));
}

#[parallel]
fn starts_a_program(role: String) -> bool {
    run(&mut program(&role)).status.success()
}

#[test]
#[ignore = "run by others"]
fn starts_another_program() {
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.map(square, 0..30_u64).unwrap();
    let role = "works_with_three_pools".to_owned();
    assert!(pool.map(starts_a_program, [role]).unwrap()[0]);
    pool.map(square, 0..30_u64).unwrap();
}

#[test]
fn a_program_that_a_task_starts_leaves_the_trace_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let output = run(program("starts_another_program").env("PARPROC_TRACE", &path));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(items(&events(&path), 1), 61);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let mut others: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    others.retain(|other| *other != path);
    assert_eq!(others.len(), 1, "{others:?}");
    let name = others[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("trace.") && name.ends_with(".json"));
    assert_eq!(items(&events(&others[0]), 1), 10);
}

#[test]
fn a_live_page_whose_port_is_taken_is_done_without() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(program("makes_a_pool").env("PARPROC_DASHBOARD", &address));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(String::from_utf8_lossy(&output.stdout).contains("made"));
    let lines: Vec<_> = said
        .lines()
        .filter(|line| line.contains("parproc:"))
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains("no live page") && lines[0].contains(&address));
}
