//! A crawler for a tree of web pages on the disk, with broken links and two pages that are traps.
//!
//! `cargo run --release --example crawl -- PAGE`, for instance `target/doc/parproc/index.html`. Without a page it
//! writes a small site into a temporary folder.
//!
//! A task finds the links in one page, and every page that was not seen before is a new task, handed in as soon as it is
//! known: nobody knows beforehand how many there are. One page of the sample site keeps the search for links busy
//! for ages, and another one never ends; they cost a second and 256 MiB. It prints what was lost and
//! why, and which pages have the most links to them.

mod site;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use fancy_regex::RegexBuilder;
use parproc::{Pool, parallel};

/// The addresses that a page links to.
#[parallel(timeout = "1s", memory_limit = "256MiB")]
fn links(page: &Path) -> Result<Vec<String>, String> {
    let html = fs::read(page).map_err(|error| error.to_string())?;
    let link = RegexBuilder::new(r#"<a\s+(?:[^>]*?\s+)?href\s*=\s*(["'])(.*?)\1"#)
        // The default allows for so few steps that long honest pages fail as well.
        .backtrack_limit(usize::MAX)
        .build()
        .map_err(|error| error.to_string())?;
    let html = String::from_utf8_lossy(&html);
    let found = link.captures_iter(&*html).map(|found| match found {
        Ok(found) => Ok(found[2].to_owned()),
        Err(error) => Err(error.to_string()),
    });
    found.collect()
}

/// The file that a link in `page` means, if it is a page on this disk.
fn target(page: &Path, link: &str) -> Option<PathBuf> {
    let address = link
        .split(['#', '?'])
        .next()
        .filter(|address| !address.is_empty())?;
    let mut file = page.parent()?.to_owned();
    for part in Path::new(address).components() {
        match part {
            Component::Normal(name) => file.push(name),
            Component::ParentDir => _ = file.pop(),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    if address.ends_with('/') {
        file.push("index.html");
    }
    let is_page = file.extension().and_then(OsStr::to_str) == Some("html");
    (is_page && !address.contains(':')).then_some(file)
}

fn main() -> Result<(), Box<dyn Error>> {
    let sample = tempfile::tempdir()?;
    let mut first = match env::args_os().nth(1) {
        Some(page) => PathBuf::from(page),
        None => site::write(sample.path())?,
    };
    if first.is_dir() {
        first.push("index.html");
    }
    let first =
        fs::canonicalize(&first).map_err(|error| format!("{}: {error}", first.display()))?;
    let root = first.parent().unwrap_or(&first).to_owned();

    let start = Instant::now();
    let pool = Pool::global()?;
    let (done, pages) = mpsc::channel();
    let visit = |page: PathBuf| -> parproc::Result<()> {
        let done = done.clone();
        pool.spawn(links, page.as_path())?.on_done(move |outcome| {
            // It fails if the program has given up.
            let _ = done.send((page, outcome));
        });
        Ok(())
    };

    // How many links there are to each page.
    let mut known = BTreeMap::from([(first.clone(), 0)]);
    visit(first)?;
    let (mut open, mut lost) = (1, 0);
    while open > 0 {
        let (page, outcome) = pages.recv()?;
        open -= 1;
        // The inner error is that of the function, the outer one that of a worker that was lost over the page.
        match outcome.map_err(|error| error.to_string()).flatten() {
            Ok(links) => {
                let targets = links.iter().filter_map(|link| target(&page, link));
                for target in targets.filter(|target| target.starts_with(&root)) {
                    let times = known.entry(target.clone()).or_insert(0);
                    *times += 1;
                    if *times == 1 {
                        visit(target)?;
                        open += 1;
                    }
                }
            }
            Err(error) => {
                lost += 1;
                println!("{}: {error}", short(&page, &root));
            }
        }
    }

    println!(
        "\n{} pages and {} links below {} by {} workers in {:.1?}, {lost} pages lost; most links go to",
        known.len(),
        known.values().sum::<usize>(),
        root.display(),
        pool.workers(),
        start.elapsed(),
    );
    let mut most: Vec<_> = known.iter().collect();
    most.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    for (page, times) in most.into_iter().take(5) {
        println!("{times:>6}  {}", short(page, &root));
    }
    Ok(())
}

/// The page's name within the site.
fn short(page: &Path, root: &Path) -> String {
    page.strip_prefix(root)
        .unwrap_or(page)
        .display()
        .to_string()
}
