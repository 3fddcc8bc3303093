//! Values as JSON.

use serde::Serialize;
use serde_json_core::ser::Error as Fault;
use serde_json_core::to_slice;

use crate::error::{Error, Result};

/// A value as JSON.
pub(super) fn text(value: &impl Serialize) -> Result<String> {
    let mut bytes = Vec::with_capacity(64 << 10);
    append(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(|_| failed("it is no UTF-8"))
}

/// Puts a value as JSON behind what is in `bytes`; after an error nothing is.
pub(super) fn append(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    let begin = bytes.len();
    let mut room = 512.max(bytes.capacity() - begin);
    loop {
        bytes.resize(begin.saturating_add(room), 0);
        match to_slice(value, &mut bytes[begin..]) {
            Ok(length) => {
                bytes.truncate(begin + length);
                return Ok(());
            }
            Err(Fault::BufferFull) => room *= 2,
            Err(error) => {
                bytes.truncate(begin);
                return Err(failed(&error.to_string()));
            }
        }
    }
}

fn failed(text: &str) -> Error {
    Error::os_text("cannot write JSON", text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{append, text};

    #[test]
    fn texts_are_escaped() {
        let text = text(&("a\"\\\n\u{1}\u{1f980}", 5_u64, None::<u8>, true)).unwrap();
        assert_eq!(text, "[\"a\\\"\\\\\\n\\u0001\u{1f980}\",5,null,true]");
    }

    #[test]
    fn a_value_has_the_room_that_it_needs() {
        let mut bytes = b"x".to_vec();
        append(&mut bytes, &"y".repeat(10_000)).unwrap();
        assert_eq!(bytes.len(), 10_003);
        assert_eq!(&bytes[..3], b"x\"y");
    }
}
