//! What an impl says arrives from any depth, and a second run fails when the first one does.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;

use proptest::prelude::*;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{self, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use super::*;
use crate::wire::whole::{Reading, Whole};
use crate::wire::{Payload, decode, encode_argument};

/// 0 is not encoded, 1 is not decoded, anything else passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ink(u8);

impl Serialize for Ink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!serializer.is_human_readable());
        match self.0 {
            0 => Err(ser::Error::custom("out of ink")),
            color => serializer.serialize_u8(color),
        }
    }
}

impl<'de> Deserialize<'de> for Ink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        assert!(!deserializer.is_human_readable());
        match u8::deserialize(deserializer)? {
            1 => Err(de::Error::custom("wrong ink")),
            color => Ok(Self(color)),
        }
    }
}

/// Both messages come out of `wrap`, and nothing else is found wrong with it.
#[track_caller]
fn speaks<C: Serialize + DeserializeOwned>(wrap: impl Fn(Ink) -> C) {
    assert_eq!(
        why_not_encoded(&wrap(Ink(0))).as_deref(),
        Some("out of ink")
    );
    assert_eq!(why_not_encoded(&wrap(Ink(1))), None);
    let wrong = postcard::to_stdvec(&Whole(&wrap(Ink(1)))).unwrap();
    assert_eq!(why_not_decoded::<C>(&wrong).as_deref(), Some("wrong ink"));
    let right = postcard::to_stdvec(&Whole(&wrap(Ink(2)))).unwrap();
    assert_eq!(why_not_decoded::<C>(&right), None);
}

#[derive(Serialize, Deserialize)]
struct Unit;

#[derive(Serialize, Deserialize)]
struct Newtype<T>(T);

#[derive(Serialize, Deserialize)]
struct Pair<T>(Unit, T);

#[derive(Serialize, Deserialize)]
struct Named<T> {
    before: String,
    ink: T,
}

#[derive(Serialize, Deserialize)]
enum Kinds<T> {
    Unit,
    Newtype(T),
    Tuple(u8, T),
    Struct { before: (), ink: T },
}

#[test]
fn messages_come_out_of_every_container() {
    speaks(|ink| ink);
    speaks(|ink| (1_u8, ink));
    speaks(|ink| [ink, Ink(3)]);
    speaks(|ink| vec![Ink(3), ink]);
    speaks(|ink| BTreeMap::from([(ink, 1_u8)]));
    speaks(|ink| BTreeMap::from([(1_u8, Ink(3)), (2, ink)]));
    speaks(|ink| Some(Box::new(ink)));
    speaks(Newtype);
    speaks(|ink| Pair(Unit, ink));
    speaks(|ink| Named {
        before: "blue".to_owned(),
        ink,
    });
    speaks(|ink| (Kinds::<u8>::Unit, ink));
    speaks(Kinds::Newtype);
    speaks(|ink| Kinds::Tuple(1, ink));
    speaks(|ink| Kinds::Struct { before: (), ink });
}

#[test]
fn messages_come_out_of_deep_nesting() {
    speaks(|ink| {
        vec![BTreeMap::from([(
            String::from("well"),
            Some(Kinds::Struct {
                before: (),
                ink: Newtype((Named {
                    before: String::new(),
                    ink: Pair(Unit, [Kinds::Tuple(1, Kinds::Newtype(ink))]),
                },)),
            }),
        )])]
    });
}

#[test]
fn scalars_are_no_obstacle() {
    speaks(|ink| (i128::MIN, u128::MAX, ink));
    speaks(|ink| (-1_i8, -2_i16, -3_i32, -4_i64, ink));
    speaks(|ink| (1_u8, 2_u16, 3_u32, 4_u64, ink));
    speaks(|ink| (1.5_f32, -2.5_f64, true, 'é', '🖋', ink));
    speaks(|ink| ([7_u8; 16], *b"blot", CString::from(c"quill"), ink));
    speaks(|ink| ((), None::<u8>, String::from("nib"), ink));
}

struct Shown<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0(f)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Serialize for Shown<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[test]
fn a_failed_display_is_said() {
    let fine = Shown(|f: &mut fmt::Formatter<'_>| write!(f, "{}", 12));
    assert_eq!(why_not_encoded(&fine), None);
    let failing = Shown(|_: &mut fmt::Formatter<'_>| Err(fmt::Error));
    assert_eq!(
        why_not_encoded(&(1, failing)).as_deref(),
        Some("its `Display` failed")
    );
}

#[derive(Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    inner: BTreeMap<String, u8>,
}

#[test]
fn an_unknown_length_is_said() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_seq(None)?.end()
        }
    }
    let reason = why_not_encoded(&(1, Endless)).unwrap();
    assert!(reason.contains("a sequence of unknown length"), "{reason}");
    let inner = BTreeMap::new();
    let reason = why_not_encoded(&Some(Flat { inner })).unwrap();
    assert!(reason.contains("a map of unknown length"), "{reason}");
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Full { level: u8 },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Level(u8),
}

/// Asks for whatever there is, as `serde_json::Value` does.
struct Any;

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl Visitor<'_> for Anything {
            type Value = Any;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

#[test]
fn the_need_for_a_self_describing_format_is_said() {
    #[track_caller]
    fn needs<T: DeserializeOwned>(bytes: &[u8]) {
        let reason = why_not_decoded::<(u8, T)>(bytes).unwrap();
        assert!(reason.contains("self-describing"), "{reason}");
    }
    needs::<Any>(&[1]);
    needs::<Vec<Any>>(&[1, 2, 0, 1]);
    needs::<Untagged>(&postcard::to_stdvec(&(1, Untagged::Level(2))).unwrap());
    needs::<Tagged>(&postcard::to_stdvec(&(1, Tagged::Full { level: 2 })).unwrap());
    needs::<Flat>(&[1, 1, 1, b'a', 1]);
    needs::<de::IgnoredAny>(&[1]);
}

#[track_caller]
fn says<T: DeserializeOwned>(bytes: &[u8], expected: &str) {
    let reason = why_not_decoded::<T>(bytes).unwrap();
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn the_standard_errors_of_serde_keep_their_text() {
    says::<(u8, Kinds<u8>)>(
        &[1, 9],
        "invalid value: integer `9`, expected variant index 0 <= i < 4",
    );
    says::<Option<std::num::NonZeroU8>>(&[1, 0], "expected a nonzero u8");
    says::<Vec<CString>>(&[2, 0, 3, 1, 0, 1], "nul byte found");

    /// Asks for a number, but wants a list.
    struct Misled;
    impl<'de> Deserialize<'de> for Misled {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct List;
            impl Visitor<'_> for List {
                type Value = Misled;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a list")
                }
            }
            deserializer.deserialize_u8(List)
        }
    }
    says::<[Misled; 2]>(&[4, 4], "invalid type: integer `4`, expected a list");

    /// Reads fewer fields than it needs.
    struct Short;
    impl<'de> Deserialize<'de> for Short {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Fields;
            impl<'de> Visitor<'de> for Fields {
                type Value = Short;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("three fields")
                }
                fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Short, A::Error> {
                    let mut len = 0;
                    while seq.next_element::<u8>()?.is_some() {
                        len += 1;
                    }
                    match len {
                        0 => Err(de::Error::missing_field("level")),
                        _ => Err(de::Error::invalid_length(len, &self)),
                    }
                }
            }
            deserializer.deserialize_seq(Fields)
        }
    }
    says::<Named<Short>>(&[0, 2, 0, 7], "invalid length 1, expected three fields");
    says::<Kinds<Short>>(&[1, 1, 0], "missing field `level`");
}

#[test]
fn the_errors_of_postcard_are_explained() {
    says::<(u8, u64)>(&[1], "its bytes end too early: what its `Serialize` writes");
    says::<Vec<String>>(&[2, 0, 1, 0xff], "a string is not UTF-8");
    says::<Option<bool>>(&[1, 2], "a bool is neither 0 nor 1");
    says::<[Option<u8>; 1]>(&[2], "an option is neither 0 nor 1");
    says::<(char,)>(&[9], "a char is none");
    says::<(u16,)>(&[0xff, 0xff, 0xff], "a number is too large");
}

#[test]
fn failures_of_arguments_and_results_carry_the_reason() {
    let mut payload = Payload::default();
    let failure = encode_argument(vec![Some(Ink(0))], &mut payload).unwrap_err();
    assert!(failure.to_string().contains("out of ink"), "{failure}");
    assert_eq!(payload.len(), 0);
    assert_eq!(
        decode::<Vec<Option<Ink>>>(&[2, 0, 1, 1]).unwrap_err(),
        "wrong ink"
    );
    assert_eq!(
        decode::<Ink>(&[2, 2, 2]).unwrap_err(),
        format!("2 bytes were left over: {MISMATCH}")
    );
}

/// One of each thing that postcard can read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Everything<'a> {
    kinds: Kinds<Ink>,
    wide: (i128, u128),
    letter: Option<char>,
    text: &'a str,
    bytes: &'a [u8],
    owned: CString,
    map: BTreeMap<bool, Vec<f32>>,
    next: Option<Box<Everything<'a>>>,
}

#[track_caller]
fn attempt<'de, T: Deserialize<'de>>(bytes: &'de [u8]) {
    let read = T::deserialize(Reading(&mut postcard::Deserializer::from_bytes(bytes)));
    assert_eq!(why_not_decoded::<T>(bytes).is_some(), read.is_err());
}

proptest! {
    #[test]
    fn a_reason_is_given_for_what_fails_and_only_for_that(
        // Small bytes get further: as lengths and as variants they are valid.
        bytes in prop::collection::vec(
            prop_oneof![8 => Just(0), 4 => 1..4_u8, 1 => any::<u8>()],
            0..60,
        ),
    ) {
        attempt::<Everything<'_>>(&bytes);
        attempt::<Kinds<Vec<Option<Ink>>>>(&bytes);
    }
}
