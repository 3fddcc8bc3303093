//! The program that the tests launch: rank 0 plays a role, the other ranks are its nodes.

#![expect(unsafe_code, reason = "a process is forked, and ends as it must not")]

use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use parproc::{Pool, Task, TaskError, par_map, parallel, task};
use parproc_tests::{meet, note, role};
use rustix::process::{Pid, Signal, getppid, kill_process};

/// Comes to the meeting; what it started sleeps on.
#[parallel]
fn hold(meeting: &str, word: u64, endless: bool) -> u64 {
    let sleep = Command::new("sleep").arg("1000").spawn();
    meet(meeting, word);
    if endless {
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
    drop(sleep);
    word
}

/// Where it runs, as the process id of who has its worker.
#[parallel]
fn parent() -> u32 {
    getppid().map_or(0, |id| id.as_raw_nonzero().get() as u32)
}

/// Comes to the meeting if it is the item of that word; else it takes its time.
#[parallel]
fn square(meeting: &str, tally: &str, x: u64, guest: u64) -> u64 {
    note(tally, x);
    if x == guest && task::attempt() == Some(1) {
        meet(meeting, u64::from(parent()));
    }
    thread::sleep(Duration::from_millis(1));
    x * x
}

/// Ends whoever has its worker, if it is one of these items, but never rank 0.
#[parallel]
fn poison(tally: &str, main: u32, x: u64, bad: u64) -> u64 {
    note(tally, x);
    if x == bad && parent() != main {
        if let Some(agent) = getppid() {
            let _ = kill_process(agent, Signal::KILL);
        }
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
    x * x
}

/// As much again; the item of that word comes to the meeting.
#[parallel]
fn echo(meeting: &str, x: u64, guest: u64, bytes: &[u8]) -> Vec<u8> {
    if x == guest && task::attempt() == Some(1) {
        meet(meeting, u64::from(parent()));
    }
    bytes.to_vec()
}

/// What a launch of this program with two ranks says.
#[parallel]
fn nested(launcher: &str) -> String {
    let program = parproc_tests::program(super::launch::PROGRAM, "nested");
    let mut command = Command::new(launcher);
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    if !launcher.contains("mpich") {
        command.arg("--oversubscribe");
    }
    command.args(["-n", "2"]).arg(program.get_program());
    let output = command.args(program.get_args()).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        other => format!("{other:?}"),
    }
}

/// Two tasks that run on the nodes.
fn hold_two(meeting: &str) -> Vec<Task<u64>> {
    let pool = Pool::global().unwrap();
    let spawn = |word| pool.spawn(hold, (meeting, word, true)).unwrap();
    (0..2).map(spawn).collect()
}

#[test]
fn program() {
    let Some(role) = role() else { return };
    // Nodes do everything while there are any.
    // SAFETY: nothing else in this program looks at this variable while it is set.
    unsafe { std::env::set_var("PARPROC_SLOTS", "0") };
    match *role.split(' ').collect::<Vec<_>>() {
        ["ends", meeting, how] => {
            let tasks = hold_two(meeting);
            meet(meeting, 2);
            end(how);
            tasks.into_iter().for_each(drop);
        }
        ["quiet", how] => end(how),
        ["squares", meeting, tally, items, guest] => {
            let (items, guest) = (items.parse().unwrap(), guest.parse().unwrap());
            let items = (0..items).map(|x: u64| (meeting, tally, x, guest));
            let squares: Vec<u64> = par_map(square, items).unwrap();
            let right = squares.iter().zip(0_u64..).all(|(y, x)| *y == x * x);
            println!("{} squares, right: {right}", squares.len());
            end("exit 5");
        }
        ["large", meeting] => {
            let value = |x: u64| vec![x as u8; 24 << 20];
            let values: Vec<Vec<u8>> = (0..16).map(value).collect();
            let items = (0_u64..).zip(&values);
            let items = items.map(|(x, value)| (meeting, x, 5, value.as_slice()));
            let echoes = par_map(echo, items).unwrap();
            println!("16 large values, right: {}", echoes == values);
        }
        ["storm", tally] => {
            let items = (0..16_000).map(|x: u64| ("", tally, x, u64::MAX));
            let pool = Pool::global().unwrap();
            let results: Vec<Result<u64, TaskError>> = pool.job(square).outcomes(items).unwrap();
            let right = |(x, result): (u64, &Result<u64, TaskError>)| match result {
                Ok(square) => *square == x * x,
                Err(error) => {
                    println!("{x}: {error}");
                    error.is_crash()
                }
            };
            let right = (0_u64..).zip(&results).filter(|one| right(*one)).count();
            println!("{right} of 16000 have an outcome");
        }
        ["journal", meeting, tally, journal] => {
            let items = (0..400).map(|x: u64| (meeting, tally, x, 200));
            let pool = Pool::global().unwrap();
            let job = pool.job(square).journal(journal).chunk_size(1);
            let squares: Vec<u64> = job.map(items).unwrap();
            println!("sum {}", squares.iter().sum::<u64>());
        }
        ["poison", tally, bad] => {
            let bad: u64 = bad.parse().unwrap();
            let items = (0..200).map(|x: u64| (tally, process::id(), x, bad));
            let pool = Pool::global().unwrap();
            let job = pool.job(poison);
            let results: Vec<Result<u64, TaskError>> = job.outcomes(items).unwrap();
            for (x, result) in results.iter().enumerate() {
                match result {
                    Ok(y) => assert_eq!(*y, (x * x) as u64),
                    Err(error) => println!("{x}: {error} ({error:?})"),
                }
            }
            println!(
                "{} are right",
                results.iter().filter(|result| result.is_ok()).count()
            );
        }
        ["poisoned-tasks", tally] => {
            let pool = Pool::global().unwrap();
            let spawn = |x| pool.spawn(poison, (tally, process::id(), x, 7)).unwrap();
            let tasks: Vec<Task<u64>> = (0..40).map(spawn).collect();
            let mut right = 0;
            for (x, task) in (0_u64..).zip(tasks) {
                match task.join() {
                    Ok(y) => {
                        assert_eq!(y, x * x);
                        right += 1;
                    }
                    Err(error) => println!("{x}: {error}"),
                }
            }
            println!("{right} are right");
        }
        ["late", meeting] => {
            meet(meeting, 0);
            let main = process::id();
            let pools = [1, 2].map(|workers| Pool::builder().workers(workers).build());
            let later = || Pool::builder().workers(2).build();
            for pool in pools.into_iter().chain(std::iter::once_with(later)) {
                let ids = pool.unwrap().map(parent, [(); 40]).unwrap();
                let away = ids.iter().filter(|id| **id != main).count();
                println!("{} were run, {away} of them by nodes", ids.len());
            }
        }
        ["fork"] => {
            let nodes = |()| par_map(parent, [(); 20]).unwrap();
            nodes(());
            // SAFETY: the copy only ends, as a copy of a program with threads may.
            let copy = unsafe { libc::fork() };
            if copy == 0 {
                process::exit(7);
            }
            let copy = Pid::from_raw(copy).unwrap();
            let ended = rustix::process::waitpid(Some(copy), rustix::process::WaitOptions::empty());
            println!(
                "the copy ended with {:?}",
                ended.unwrap().unwrap().1.exit_status()
            );
            let main = process::id();
            let away = nodes(()).into_iter().filter(|id| *id != main).count();
            println!("{away} of 20 were run by nodes");
        }
        ["children"] => {
            let mut child = parproc_tests::program(super::launch::PROGRAM, "child");
            println!("{}", parproc_tests::succeeds(&mut child));
            let main = process::id();
            let pool = Pool::builder().workers(2).build().unwrap();
            let ids = pool.map(parent, [(); 20]).unwrap();
            println!("main has {main}, {:?}", ids.iter().any(|id| *id != main));
        }
        ["child"] => {
            let main = process::id();
            let local = par_map(parent, [(); 20])
                .unwrap()
                .iter()
                .all(|id| *id == main);
            println!("local in a child: {local}");
        }
        ["starts", launcher] => {
            for said in par_map(nested, [launcher; 4]).unwrap() {
                println!("{said}");
            }
        }
        ["nested"] => {
            let main = process::id();
            let ids = par_map(parent, [(); 20]).unwrap();
            println!("nested: {}", ids.iter().all(|id| *id != main));
        }
        ["seen"] => super::seen::show(),
        ["seen-lost", meeting] => super::seen::lose(meeting),
        _ => panic!("no role: {role}"),
    }
}

/// Ends the program, or lets it go on to its end.
fn end(how: &str) {
    if let Some(code) = how.strip_prefix("exit ") {
        process::exit(code.parse().unwrap());
    }
    match how {
        "exit" => process::exit(3),
        // SAFETY: ends the process.
        "_exit" => unsafe { libc::_exit(4) },
        "abort" => process::abort(),
        // SAFETY: it is not, as is wanted.
        "fault" => unsafe { std::ptr::without_provenance_mut::<u64>(8).write_volatile(1) },
        "panic" => panic!("as asked for"),
        "wait" => loop {
            thread::sleep(Duration::from_secs(1));
        },
        "return" => {}
        other => panic!("no way to end: {other}"),
    }
}
