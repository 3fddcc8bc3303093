//! Values that have travelled, as `tracing` wants them.

use std::error::Error;
use std::fmt;

use tracing_core::Metadata;
use tracing_core::field::{DebugValue, Value, ValueSet, debug};

use crate::wire::log::{LogValue, LogValues};

/// Text that is shown as it is.
#[derive(Clone, Copy)]
struct Words<'a>(&'a str);

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An error of which its words are left, and those of the one that it comes from.
#[derive(Debug)]
struct Told {
    words: String,
    source: Option<Box<Told>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

enum Given<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Shown(DebugValue<Words<'a>>),
    Error(Box<dyn Error + 'static>),
}

impl<'a> Given<'a> {
    fn new(value: &'a LogValue<'_>) -> Self {
        match value {
            LogValue::Bool(value) => Self::Bool(*value),
            LogValue::I64(value) => Self::I64(*value),
            LogValue::U64(value) => Self::U64(*value),
            LogValue::I128(value) => Self::I128(*value),
            LogValue::U128(value) => Self::U128(*value),
            LogValue::F64(value) => Self::F64(*value),
            LogValue::Text(text) => Self::Text(text),
            LogValue::Bytes(bytes) => Self::Bytes(bytes),
            LogValue::Shown(text) => Self::Shown(debug(Words(text))),
            LogValue::Error(words) => {
                let told = words.iter().rev().fold(None, |source, words| {
                    Some(Box::new(Told {
                        words: words.to_string(),
                        source,
                    }))
                });
                match told {
                    Some(told) => Self::Error(told),
                    None => Self::Text(""),
                }
            }
        }
    }

    fn value(&self) -> &dyn Value {
        match self {
            Self::Bool(value) => value,
            Self::I64(value) => value,
            Self::U64(value) => value,
            Self::I128(value) => value,
            Self::U128(value) => value,
            Self::F64(value) => value,
            Self::Text(text) => text,
            Self::Bytes(bytes) => bytes,
            Self::Shown(shown) => shown,
            Self::Error(error) => error,
        }
    }
}

/// Gives the values to `use_them`, each for the field that it is for.
pub(super) fn with_values<R>(
    metadata: &'static Metadata<'static>,
    values: &LogValues<'_>,
    use_them: impl FnOnce(&ValueSet<'_>) -> R,
) -> R {
    let fields = metadata.fields();
    let given = values
        .0
        .iter()
        .map(|(field, value)| (*field as usize, Given::new(value)));
    let given: Vec<_> = given.collect();
    let mut all: Vec<Option<&dyn Value>> = vec![None; fields.len()];
    for (field, value) in &given {
        if let Some(place) = all.get_mut(*field) {
            *place = Some(value.value());
        }
    }
    use_them(&fields.value_set_all(&all))
}
