//! Lengths as varints: seven bits a byte, the lowest first, the top bit set on all but the last
//! (LEB128, as in DWARF and protocol buffers).

/// Bytes of the longest varint.
pub(super) const LONGEST: usize = 10;

/// Writes `value` to the start of `out`, and says how many bytes that took.
#[inline]
pub(super) fn write(mut value: u64, out: &mut [u8; LONGEST]) -> usize {
    let mut len = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out[len] = low;
            return len + 1;
        }
        out[len] = low | 0x80;
        len += 1;
    }
}

/// What the start of some bytes is, as a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// A value and the bytes that it took.
    Value(u64, usize),
    /// The bytes end before the value does.
    Short,
    /// No varint.
    Bad,
}

#[inline]
pub(super) fn read(bytes: &[u8]) -> Read {
    // Nearly all lengths are below 128.
    match bytes.first() {
        Some(first) if *first < 0x80 => return Read::Value(u64::from(*first), 1),
        None => return Read::Short,
        Some(_) => {}
    }
    read_long(bytes)
}

fn read_long(bytes: &[u8]) -> Read {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(LONGEST).enumerate() {
        let low = u64::from(byte & 0x7f);
        if index == LONGEST - 1 && low > 1 {
            return Read::Bad;
        }
        value |= low << (7 * index);
        if byte & 0x80 == 0 {
            return Read::Value(value, index + 1);
        }
    }
    if bytes.len() < LONGEST {
        Read::Short
    } else {
        Read::Bad
    }
}
