//! Whole lines, each behind who wrote it.

/// A longer line becomes several.
const LONGEST: usize = 64 << 10;

/// Makes lines of what comes in pieces.
#[derive(Debug)]
pub(super) struct Lines {
    prefix: Vec<u8>,
    /// What is there of the next line.
    line: Vec<u8>,
}

impl Lines {
    /// Of a process of this program, which names its machine too if there are others.
    pub(super) fn new(program: &[u8], pid: u32, host: Option<&str>) -> Self {
        // What the kernel shows as the name of a process is cut there, too.
        let name = program.iter().take(15);
        let name: String = name
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    *byte as char
                } else {
                    '?'
                }
            })
            .collect();
        let host = host.map_or_else(String::new, |host| format!("@{host}"));
        Self {
            prefix: format!("[{name} {pid}{host}] ").into_bytes(),
            line: Vec::new(),
        }
    }

    /// Puts the lines that are whole with `bytes` behind `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for mut part in bytes.split_inclusive(|byte| *byte == b'\n') {
            loop {
                let text = part.strip_suffix(b"\n").unwrap_or(part);
                let room = LONGEST - self.line.len();
                if text.len() <= room {
                    break;
                }
                let (head, rest) = part.split_at(room);
                self.line.extend_from_slice(head);
                self.finish(out);
                part = rest;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.line.pop();
                self.put(out);
            }
        }
    }

    /// Nothing more comes: puts what there is of a line behind `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.put(out);
        }
    }

    fn put(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        out.append(&mut self.line);
        out.push(b'\n');
    }
}
