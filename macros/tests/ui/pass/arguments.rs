// Every way to pass an argument and to return a result.

use parproc::parallel;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Serialize, Deserialize)]
struct Config {
    depth: u32,
}

#[parallel]
fn nothing() {}

#[parallel]
const fn constant(x: u64) -> u64 {
    x
}

#[parallel]
fn owned(number: f64, text: String, list: Vec<Config>, map: BTreeMap<String, u8>) -> (f64, String) {
    let _ = (list, map);
    (number, text)
}

#[parallel]
fn patterns((a, b): (u8, u8), mut c: Vec<u8>, Config { depth }: Config, _: u8) -> usize {
    c.push(a);
    c.push(b);
    c.len() + depth as usize
}

#[parallel]
fn lent(text: &str, bytes: &[u8], list: &[Config], config: &Config, array: &[u8; 2]) -> usize {
    text.len() + bytes.len() + list.len() + config.depth as usize + array.len()
}

#[parallel]
fn lifetimes<'a, 'b: 'a>(text: &'a str, list: &'b [u8], cow: Cow<'a, str>, any: &'_ u8) -> usize {
    text.len() + list.len() + cow.len() + usize::from(*any)
}

#[parallel]
fn paths(path: &Path, name: &std::ffi::OsStr, owned: PathBuf, list: &[PathBuf]) -> PathBuf {
    let _ = list;
    path.join(name).join(owned)
}

#[parallel]
fn eight(a: u8, b: &u8, c: u8, d: &u8, e: u8, f: &u8, g: u8, h: &u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[parallel]
fn fails(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

#[parallel]
fn static_cow(x: u8) -> Cow<'static, str> {
    x.to_string().into()
}

#[parallel]
fn unit(x: ()) -> () {
    x
}

fn main() {}
