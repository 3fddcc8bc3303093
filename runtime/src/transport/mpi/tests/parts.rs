//! What the ranks do.

#![expect(unsafe_code, reason = "variables are set, as the gate does")]

use std::process::{Command, exit};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::super::join;
use crate::transport::Transport;
use crate::transport::launch::{Launch, Launcher};

pub(super) const PART: &str = "PARPROC_TEST_PART";

const SIZES: [usize; 10] = [8, 0, 1, 4 << 20, 100, 5000, 1 << 20, 64 << 10, 300_000, 17];

pub(super) fn run(part: &str) -> ! {
    let mut launch = Launch::of_part().expect("the launcher tells the rank");
    if part == "misled" {
        launch.launcher = Launcher::Pmix;
    }
    for (name, value) in launch.variables() {
        // SAFETY: the only other thread is that which waits for this test.
        unsafe { std::env::set_var(name, value) };
    }
    let before = caught();
    let world = match join(&launch) {
        Ok(world) => world,
        Err(error) => {
            println!("{error}");
            exit(3);
        }
    };
    match part {
        "talk" => talk(world),
        "broadcast" => broadcast(world),
        "backlog" => backlog(world),
        "lost_talking" => lost_talking(world),
        "lost_broadcasting" => lost_broadcasting(world),
        "faults" => {
            for fault in [
                Signal::ABORT,
                Signal::BUS,
                Signal::FPE,
                Signal::ILL,
                Signal::SEGV,
            ] {
                let bit = 1 << (fault.as_raw() - 1);
                assert_eq!(caught() & bit, before & bit, "{fault:?}");
            }
            world.finish(true);
        }
        "children" => children(world),
        "measure" => measure(world),
        _ => exit(4),
    }
    println!("done");
    exit(0)
}

fn others(world: &dyn Transport) -> Vec<usize> {
    (0..world.size())
        .filter(|rank| *rank != world.rank())
        .collect()
}

/// A message that tells from whom it is and the how many-th.
fn message(from: usize, index: usize, bytes: usize) -> Vec<u8> {
    let mut message: Vec<u8> = [from, index].iter().flat_map(|x| x.to_le_bytes()).collect();
    let last = (from * 31 + index * 7) as u8;
    message.resize(16 + bytes.min((4 << 20) - 16), last);
    message
}

fn next(world: &mut dyn Transport) -> (usize, Vec<u8>) {
    loop {
        match world.poll().unwrap() {
            Some(message) => return message,
            None => std::thread::yield_now(),
        }
    }
}

/// Everyone sends to everyone, and receives at the same time.
fn talk(mut world: Box<dyn Transport>) {
    const ROUNDS: usize = 40;
    let rank = world.rank();
    for index in 0..ROUNDS {
        for to in others(&*world) {
            let bytes = SIZES[(index + rank) % SIZES.len()];
            world.send(to, message(rank, index, bytes));
        }
    }
    let mut seen = vec![0; world.size()];
    for _ in 0..ROUNDS * (world.size() - 1) {
        let (from, received) = next(&mut *world);
        let bytes = SIZES[(seen[from] + from) % SIZES.len()];
        assert!(received == message(from, seen[from], bytes), "from {from}");
        seen[from] += 1;
    }
    assert!(world.poll().unwrap().is_none());
    world.finish(true);
}

/// Rank 0 mixes broadcasts and messages to one rank; all others send what they got back.
fn broadcast(mut world: Box<dyn Transport>) {
    const ROUNDS: usize = 60;
    let bytes = |index: usize| SIZES[(index / 2) % SIZES.len()];
    if world.rank() == 0 {
        for index in 0..ROUNDS {
            let message = message(0, index, bytes(index));
            if index % 2 == 0 {
                world.broadcast(message.into());
            } else {
                for to in others(&*world) {
                    world.send(to, message.clone());
                }
            }
        }
        let mut seen = vec![0; world.size()];
        for _ in 0..ROUNDS * (world.size() - 1) {
            let (from, received) = next(&mut *world);
            assert_eq!(received, seen[from].to_string().into_bytes());
            seen[from] += 1;
        }
    } else {
        for index in 0..ROUNDS {
            let (from, received) = next(&mut *world);
            assert_eq!(from, 0);
            assert!(received == message(0, index, bytes(index)), "{index}");
            world.send(0, index.to_string().into_bytes());
        }
    }
    world.finish(true);
}

fn backlog(mut world: Box<dyn Transport>) {
    if world.rank() == 0 {
        for _ in 0..20 {
            for to in others(&*world) {
                world.send(to, vec![1; 4 << 20]);
            }
            world.broadcast(vec![2; 4 << 20].into());
        }
        for to in others(&*world) {
            assert!(world.backlog(to) > 20 << 20, "{}", world.backlog(to));
            world.send(to, b"last".to_vec());
        }
        while others(&*world).iter().any(|to| world.backlog(*to) > 0) {
            assert!(world.poll().unwrap().is_none());
            std::thread::yield_now();
        }
    } else {
        while next(&mut *world).1 != b"last" {}
    }
    world.finish(true);
}

/// Rank 2 dies while it sends and receives; the others go on talking.
fn lost_talking(mut world: Box<dyn Transport>) {
    const ROUNDS: usize = 60;
    let rank = world.rank();
    let others: Vec<_> = others(&*world).into_iter().filter(|to| *to != 2).collect();
    let mut seen = vec![0; world.size()];
    for round in 0..=ROUNDS {
        if round < ROUNDS {
            world.send(2, message(rank, round, SIZES[round % SIZES.len()]));
        } else {
            // Of the others all messages have come, of the dead one those that it could send.
            world.forget(2);
            assert_eq!(world.backlog(2), 0);
        }
        for to in &others {
            world.send(*to, message(rank, round, SIZES[round % SIZES.len()]));
        }
        while round + 1 >= ROUNDS && others.iter().any(|from| seen[*from] <= round) {
            let (from, received) = next(&mut *world);
            let bytes = SIZES[seen[from] % SIZES.len()];
            assert!(received == message(from, seen[from], bytes), "from {from}");
            seen[from] += 1;
            if rank == 2 && seen[0] == 10 {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        }
    }
    while others.iter().any(|to| world.backlog(*to) > 0) {
        assert!(world.poll().unwrap().is_none());
    }
    world.finish(false);
}

/// Rank 2 dies in the middle of broadcasts, which reach the others all the same.
fn lost_broadcasting(mut world: Box<dyn Transport>) {
    const ROUNDS: usize = 60;
    let rank = world.rank();
    let bytes = |index: usize| SIZES[(index / 2) % SIZES.len()];
    if rank > 0 {
        for index in 0..ROUNDS {
            let (from, received) = next(&mut *world);
            assert_eq!(from, 0);
            assert!(received == message(0, index, bytes(index)), "{index}");
            if rank == 2 && index == 20 {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        }
        world.send(0, b"all".to_vec());
        while world.backlog(0) > 0 {
            assert!(world.poll().unwrap().is_none());
        }
        // Until rank 0 has got it.
        assert_eq!(next(&mut *world).1, b"end");
        world.finish(false);
        return;
    }
    for index in 0..ROUNDS {
        let message = message(0, index, bytes(index));
        if index % 2 == 0 {
            world.broadcast(message.into());
        } else {
            for to in others(&*world) {
                world.send(to, message.clone());
            }
        }
    }
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert!(world.poll().unwrap().is_none());
        let now: usize = (1..4).map(|to| world.backlog(to)).sum();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        std::thread::yield_now();
    }
    assert!(before > 0);
    world.forget(2);
    for _ in 0..2 {
        assert_eq!(next(&mut *world).1, b"all");
    }
    world.broadcast(b"end".to_vec().into());
    while [1, 3].iter().any(|to| world.backlog(*to) > 0) {
        assert!(world.poll().unwrap().is_none());
    }
    world.finish(false);
}

/// The signals that this process catches, a bit for each.
fn caught() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(caught.unwrap().trim(), 16).unwrap()
}

/// What a rank starts inherits the variables of its launcher, and is no rank.
fn children(world: Box<dyn Transport>) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transport::launch::tests::launched_or_not"])
        .arg("--nocapture")
        .env("PARPROC_TEST_CHILD", "1")
        .env_remove(crate::transport::launch::SWITCH)
        .env_remove(PART)
        .output();
    let said = String::from_utf8(child.unwrap().stdout).unwrap();
    assert!(said.contains("no rank"), "{said}");
    world.finish(true);
}

/// Prints what transfers cost; see `measured`.
fn measure(mut world: Box<dyn Transport>) {
    const TRIPS: u32 = 100_000;
    const MEGABYTES: usize = 100;
    let world = &mut *world;
    let first = world.rank() == 0;
    let spin = |world: &mut dyn Transport| loop {
        if let Some((_, message)) = world.poll().unwrap() {
            return message;
        }
    };
    let start = Instant::now();
    for _ in 0..TRIPS {
        if first {
            world.send(1, vec![0; 8]);
            spin(world);
        } else {
            let message = spin(world);
            world.send(0, message);
        }
    }
    if first {
        println!("round trip of 8 bytes: {:?}", start.elapsed() / TRIPS);
    }
    for (way, sends) in [("away", true), ("back", false)] {
        for _ in 0..3 {
            let start = Instant::now();
            if first == sends {
                for _ in 0..MEGABYTES {
                    while world.backlog(usize::from(first)) > 8 << 20 {
                        world.poll().unwrap();
                    }
                    world.send(usize::from(first), vec![1; 1 << 20]);
                }
                spin(world);
            } else {
                for _ in 0..MEGABYTES {
                    spin(world);
                }
                world.send(usize::from(first), Vec::new());
            }
            if first {
                let rate = (MEGABYTES << 20) as f64 / start.elapsed().as_secs_f64() / 1e6;
                println!("100 MiB {way} in messages of 1 MiB: {rate:.0} MB/s");
            }
        }
    }
    if first {
        let start = Instant::now();
        for _ in 0..TRIPS {
            assert!(world.poll().unwrap().is_none());
        }
        println!("a poll in vain: {:?}", start.elapsed() / TRIPS);
        world.send(1, Vec::new());
        while world.backlog(1) > 0 {
            world.poll().unwrap();
        }
    } else {
        spin(world);
    }
}
