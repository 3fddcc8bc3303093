//! Good files, and broken ones that parsers run wild on. They are the same in every run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{array, fs, iter};

use flate2::Compression;
use flate2::write::GzEncoder;

/// A file, and what it is made of.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) content: &'static str,
}

/// Writes 60 files into a folder.
pub(crate) fn write_all(folder: &Path) -> io::Result<Vec<File>> {
    let mut all = Files {
        folder,
        files: Vec::new(),
        random: Random(1),
    };
    all.json()?;
    all.gzip()?;
    all.regex()?;
    all.pcx()?;
    Ok(all.files)
}

struct Files<'a> {
    folder: &'a Path,
    files: Vec<File>,
    random: Random,
}

impl Files<'_> {
    fn add(
        &mut self,
        name: &str,
        content: &'static str,
        bytes: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, bytes)?;
        self.files.push(File { path, content });
        Ok(())
    }

    /// Adds six good files, and four spoiled ones.
    fn add_samples(
        &mut self,
        name: &str,
        extension: &str,
        sample: fn(&mut Random) -> Vec<u8>,
    ) -> io::Result<()> {
        for number in 1..=10 {
            let mut bytes = sample(&mut self.random);
            let content = match number {
                1..=6 => "good",
                7..=8 => {
                    bytes.truncate(bytes.len() / 2);
                    "cut in half"
                }
                _ => {
                    self.random.flip(&mut bytes);
                    "9 bits flipped"
                }
            };
            self.add(&format!("{name}-{number}.{extension}"), content, bytes)?;
        }
        Ok(())
    }

    fn json(&mut self) -> io::Result<()> {
        const MILLION: usize = 1_000_000;
        self.add_samples("orders", "json", |random| orders(random).into())?;
        self.add("number.json", "the number 1e999", "[1e999]")?;
        let arrays = |depth| "[".repeat(depth) + &"]".repeat(depth);
        self.add("deep.json", "2,000 nested arrays", arrays(2_000))?;
        self.add("arrays.json", "1,000,000 nested arrays", arrays(MILLION))?;
        let objects = "{\"a\":".repeat(MILLION) + "1" + &"}".repeat(MILLION);
        self.add("objects.json", "1,000,000 nested objects", objects)?;
        let brackets = "[".repeat(MILLION);
        self.add("open.json", "1,000,000 brackets, all open", brackets)
    }

    fn gzip(&mut self) -> io::Result<()> {
        self.add_samples("orders", "json.gz", |random| {
            gzip(orders(random).as_bytes())
        })?;
        self.add("empty.gz", "nothing", "")?;
        self.add("text.gz", "a text", "This is not packed at all.")?;
        // A file may consist of several packed parts.
        let bomb = gzip(&vec![0; 16 << 20]).repeat(128);
        let twice = gzip(&bomb);
        let thrice = gzip(&twice);
        self.add("bomb-1.gz", "2 GiB of zeros, packed", bomb)?;
        self.add("bomb-2.gz", "2 GiB of zeros, packed twice", twice)?;
        self.add("bomb-3.gz", "2 GiB of zeros, packed 3 times", thrice)
    }

    fn regex(&mut self) -> io::Result<()> {
        let orders = orders(&mut self.random);
        let letters = "a".repeat(64) + "!";
        let wild = "countless ways not to match";
        for (name, content, pattern, text) in [
            ("twice.regex", "good", r"(\w)\1", &orders),
            ("prices.regex", "good", r"(?<=: )\d+\.\d\d(?!\d)", &orders),
            ("words.regex", "good", r"\b[a-z]+\b", &orders),
            ("quotes.regex", "good", r#"(["'])(.*?)\1"#, &orders),
            ("keys.regex", "good", r#"\w+(?=":)"#, &orders),
            ("pairs.regex", "good", r"(\w)\1", &letters),
            ("open.regex", "a parenthesis left open", "(a", &letters),
            ("range.regex", "a range from z to a", "[z-a]", &letters),
            ("name.regex", "an unknown name", r"(?<a>a)\k<b>", &letters),
            ("repeat.regex", "a repetition of nothing", "*a", &letters),
            ("spaces.regex", wild, r"^(?:(\w+)\s?)+\1$", &letters),
            ("sums.regex", wild, r"^(?:(a|aa)+)\1?$", &letters),
            ("codes.regex", wild, r"^(?:([a-z]+)\d?)+\1$", &letters),
            ("choice.regex", wild, r"^(?:(a|\w)+)\1?$", &letters),
        ] {
            self.add(name, content, format!("{pattern}\n{text}"))?;
        }
        self.add("bytes.regex", "bytes that are not UTF-8", [b'a', 0xff])
    }

    fn pcx(&mut self) -> io::Result<()> {
        self.add_samples("stripes", "pcx", picture)?;
        self.add("text.pcx", "a text", "This is no picture. ".repeat(10))?;
        self.add("empty.pcx", "nothing", "")?;
        let mut giant = picture(&mut self.random);
        giant[8..12].copy_from_slice(&[0x1f, 0x4e, 0x1f, 0x4e]);
        self.add("giant.pcx", "claims 20,000 × 20,000 pixels", &giant)?;
        let mut mirror = picture(&mut self.random);
        mirror[4..12].copy_from_slice(&[100, 0, 0, 0, 50, 0, 99, 0]);
        self.add("mirror.pcx", "ends left of where it begins", mirror)?;
        let mut run = picture(&mut self.random);
        let end = run.len() - 769;
        run.splice(end - 500..end, [0xc0]);
        self.add("run.pcx", "ends in a run of no pixels", run)
    }
}

/// A list of orders as JSON.
fn orders(random: &mut Random) -> String {
    let count = 200 + random.below(200) as usize;
    let orders = iter::repeat_with(|| {
        let name = ["apples", "bread", "coffee", "dates"][random.below(4) as usize];
        let (price, cents) = (random.below(1_000), random.below(100));
        format!("{{\"what\": \"{name}\", \"price\": {price}.{cents:02}}}")
    });
    let orders: Vec<_> = orders.take(count).collect();
    format!("[\n  {}\n]\n", orders.join(",\n  "))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.expect("a vector takes everything")
}

/// A picture of 320 × 200 pixels as PCX: horizontal stripes of chance colours.
fn picture(random: &mut Random) -> Vec<u8> {
    let mut file = vec![0; 128];
    file[..4].copy_from_slice(&[10, 5, 1, 8]);
    file[8..12].copy_from_slice(&[0x3f, 1, 199, 0]);
    file[65..68].copy_from_slice(&[1, 0x40, 1]);
    for _ in 0..200 {
        let colour = random.below(256) as u8;
        for run in [63, 63, 63, 63, 63, 5] {
            file.extend([0xc0 | run, colour]);
        }
    }
    file.push(12);
    file.extend(iter::repeat_with(|| random.below(256) as u8).take(768));
    file
}

/// Numbers that look random.
struct Random(u32);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % end
    }

    /// Flips 9 bits behind the first 128 bytes, where headers are.
    fn flip(&mut self, bytes: &mut [u8]) {
        let behind = bytes.len() as u32 - 128;
        let places: [u32; 9] = array::from_fn(|_| 128 + self.below(behind));
        for place in places {
            bytes[place as usize] ^= 1 << self.below(8);
        }
    }
}
