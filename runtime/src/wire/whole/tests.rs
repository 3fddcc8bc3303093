//! Sequences that are written whole and element by element are the same values.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::CString;
use std::fmt;

use proptest::prelude::*;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use super::*;
use crate::wire::reason::why_not_decoded;

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(&Whole(value)).unwrap()
}

fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> postcard::Result<T> {
    T::deserialize(Reading(&mut postcard::Deserializer::from_bytes(bytes)))
}

#[track_caller]
fn passes<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
    let bytes = write(value);
    let mut format = postcard::Deserializer::from_bytes(&bytes);
    assert_eq!(&T::deserialize(Reading(&mut format)).unwrap(), value);
    assert!(format.finalize().unwrap().is_empty());
}

#[test]
fn vectors_of_numbers_are_written_whole() {
    assert_eq!(write(&Some(vec![1_u16, 2])), [1, 2, 2, 4, 1, 0, 2, 0]);
    assert_eq!(write(&Box::<[u8]>::from([7, 8])), [2, 1, 2, 7, 8]);
    assert_eq!(write(&(&[7_u8, 8][..],)), [2, 1, 2, 7, 8]);
    assert_eq!(write(&VecDeque::from([7_u8, 8])), [3, 0, 7, 8]);
    assert_eq!(write(&vec![true]), [2, 0, 1]);
}

#[test]
fn other_types_read_what_vectors_wrote() {
    let bytes = write(&(vec![1_u32, 5, 9], 7_u8));
    let wanted = VecDeque::from([1, 5, 9]);
    assert_eq!(read::<(VecDeque<u32>, u8)>(&bytes).unwrap(), (wanted, 7));
    let wanted = BTreeSet::from([1, 5, 9]);
    assert_eq!(read::<(BTreeSet<u64>, u8)>(&bytes).unwrap(), (wanted, 7));
    let wanted = vec![Wrapped(1), Wrapped(5), Wrapped(9)];
    assert_eq!(
        read::<(Vec<Wrapped<u32>>, u8)>(&bytes).unwrap(),
        (wanted, 7)
    );
    read::<(Vec<bool>, u8)>(&bytes).unwrap_err();
    // And the other way round.
    let bytes = write(&(VecDeque::from([1_u32, 5, 9]), 7_u8));
    let wanted = vec![1, 5, 9];
    assert_eq!(read::<(Vec<u32>, u8)>(&bytes).unwrap(), (wanted, 7));
}

/// Elements that are said to be `said`.
struct Elements<T>(Vec<T>, usize);

impl<T: Serialize> Serialize for Elements<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.1))?;
        let elements = &self.0;
        elements
            .iter()
            .try_for_each(|element| sequence.serialize_element(element))?;
        sequence.end()
    }
}

/// Writes itself as a number, and not always as one of the same type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Small(u16),
    Large(u64),
}

/// Numbers of two types in one sequence.
#[derive(Debug, PartialEq)]
struct Mixed(Vec<Number>);

impl Serialize for Mixed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for number in &self.0 {
            match number {
                Number::Small(number) => sequence.serialize_element(number)?,
                Number::Large(number) => sequence.serialize_element(number)?,
            }
        }
        sequence.end()
    }
}

#[test]
fn long_sequences_are_gathered_into_blocks() {
    let numbers: VecDeque<u32> = (0..100_000).collect();
    let bytes = write(&numbers);
    assert!(bytes.len() < 4 * numbers.len() + 200, "{}", bytes.len());
    assert_eq!(bytes[3], sequence::RUNS);
    passes(&numbers);
    // Whoever reads it, and whatever wrote it.
    let vector: Vec<_> = numbers.iter().copied().collect();
    assert_eq!(read::<Vec<u32>>(&bytes).unwrap(), vector);
    assert_eq!(
        read::<BTreeSet<u64>>(&bytes).unwrap(),
        (0..100_000).collect()
    );
    assert_eq!(
        read::<Vec<Wrapped<u32>>>(&write(&(Elements(vector.clone(), 100_000)))).unwrap()[99_999],
        Wrapped(99_999)
    );
    assert_eq!(read::<VecDeque<u32>>(&write(&vector)).unwrap(), numbers);
    // Others stand behind it.
    passes(&(numbers.clone(), 7_u8, numbers));
    let names: VecDeque<_> = (0..100).map(|number| number.to_string()).collect();
    passes(&names);
    read::<Vec<bool>>(&bytes).unwrap_err();
}

#[test]
fn numbers_of_several_types_are_one_sequence() {
    use Number::{Large, Small};
    for small in [0, 1, 63, 64, 100, 70_000] {
        for large in [0, 1, 100] {
            let mut numbers = vec![Small(7); small];
            numbers.extend(vec![Large(1 << 40); large]);
            numbers.extend(vec![Small(8); large]);
            let mut wanted = vec![7; small];
            wanted.extend(vec![1 << 40; large]);
            wanted.extend(vec![8; large]);
            let bytes = write(&(Mixed(numbers), 9_u8));
            if small < 64 && large > 0 {
                // Handed on as they come, and postcard does not say how wide a number is.
                continue;
            }
            assert_eq!(read::<(Vec<u64>, u8)>(&bytes).unwrap(), (wanted.clone(), 9));
            let wanted: VecDeque<_> = wanted.into();
            assert_eq!(read::<(VecDeque<u64>, u8)>(&bytes).unwrap(), (wanted, 9));
        }
    }
}

#[test]
fn a_sequence_of_another_length_than_it_says_is_refused() {
    let short = Elements(vec![1.5_f32; 99], 100);
    postcard::to_stdvec(&Whole(&short)).unwrap_err();
    let long = Elements(vec![1.5_f32; 101], 100);
    postcard::to_stdvec(&Whole(&long)).unwrap_err();
    let reason = crate::wire::reason::why_not_encoded(&Whole(&long)).unwrap();
    assert_eq!(
        reason,
        "its `Serialize` writes another number of elements than it says"
    );
}

#[test]
fn blocks_that_are_damaged_are_said() {
    #[track_caller]
    fn says<T: DeserializeOwned>(bytes: &[u8], expected: &str) {
        read::<T>(bytes).err().unwrap();
        let reason = why_not_decoded::<T>(bytes).unwrap();
        assert!(reason.contains(expected), "{reason}");
    }
    says::<Vec<u16>>(&[2, 2, 3, 1, 0, 2], "numbers are none, or cut");
    says::<Vec<u16>>(&[2, 15, 2, 1, 0], "numbers are none, or cut");
    says::<Vec<u16>>(&[2, 2, 9, 1, 0], "its bytes end too early");
    says::<Vec<u16>>(&[1, 2], "a sequence ends too early");
    says::<Vec<u16>>(&[0], "a sequence ends too early");
    says::<Vec<Vec<u8>>>(&[2, 1, 1, 7], "invalid type: integer `7`");
    // Several blocks: an empty one, one with more numbers than are announced, of no kind, cut; and counts
    // without end.
    says::<Vec<u16>>(&[9, 255, 1, 2, 0], "numbers are none, or cut");
    says::<VecDeque<u16>>(&[9, 255, 1, 2, 0], "numbers are none, or cut");
    says::<Vec<u16>>(&[9, 255, 1, 2, 4, 1, 0, 1, 0], "numbers are none, or cut");
    says::<VecDeque<u16>>(&[9, 255, 1, 15, 2, 1, 0], "numbers are none, or cut");
    says::<Vec<u16>>(&[9, 255, 1, 2, 1, 0], "numbers are none, or cut");
    says::<Vec<u16>>(&[9, 255, 9, 2, 4, 1, 0, 1, 0], "its bytes end too early");
    says::<VecDeque<u16>>(&[2, 255, 1], "a sequence ends too early");
    let endless = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    let bytes = [&endless[..], &[255], &endless[..], &[0]].concat();
    says::<Vec<u128>>(&bytes, "its bytes end too early");
    says::<BTreeSet<u8>>(&bytes, "its bytes end too early");
}

/// One of each thing that can be read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Everything<'a> {
    kinds: Kinds<u8>,
    wide: (i128, u128),
    letter: Option<char>,
    text: &'a str,
    bytes: &'a [u8],
    owned: CString,
    map: BTreeMap<bool, Vec<f32>>,
    next: Option<Box<Everything<'a>>>,
    many: VecDeque<u16>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kinds<T> {
    Unit,
    Newtype(T),
    Tuple(u8, T),
    Struct { before: (), numbers: T },
}

/// A reason is found for what fails, and for nothing else.
#[track_caller]
fn attempt<'de, T: Deserialize<'de>>(bytes: &'de [u8]) {
    assert_eq!(
        read::<T>(bytes).is_err(),
        why_not_decoded::<T>(bytes).is_some()
    );
}

/// A value of any depth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Bytes(Vec<u8>),
    Words(Box<[i64]>),
    Pair(Box<[u16]>, (Box<Tree>, Option<Vec<f32>>)),
    Many(Vec<Tree>),
    Named {
        name: String,
        map: BTreeMap<u8, Tree>,
        wide: VecDeque<u128>,
    },
    Results(Vec<Result<Vec<usize>, String>>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let float = -1e30_f32..1e30;
    let words: BoxedStrategy<Vec<usize>> = any::<Vec<usize>>().boxed();
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        any::<Vec<i64>>().prop_map(|words| Tree::Words(words.into())),
        prop::collection::vec(prop::result::maybe_ok(words, any::<String>()), 0..4)
            .prop_map(Tree::Results),
    ];
    leaf.prop_recursive(4, 30, 4, move |inner| {
        let floats = prop::option::of(prop::collection::vec(float.clone(), 0..9));
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Many),
            (any::<Vec<u16>>(), inner.clone(), floats).prop_map(|(numbers, tree, floats)| {
                Tree::Pair(numbers.into(), (Box::new(tree), floats))
            }),
            (
                any::<String>(),
                prop::collection::btree_map(any::<u8>(), inner, 0..4),
                any::<VecDeque<u128>>(),
            )
                .prop_map(|(name, map, wide)| Tree::Named { name, map, wide }),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_passes(tree in tree()) {
        passes(&tree);
    }

    #[test]
    fn a_tree_of_changed_bytes_is_a_value_or_an_error(
        tree in tree(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = write(&tree);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        attempt::<Tree>(&bytes);
    }

    #[test]
    fn any_bytes_at_all_are_a_value_or_an_error(
        // Small bytes get further: as lengths and as variants they are valid.
        bytes in prop::collection::vec(
            prop_oneof![8 => Just(0), 4 => 1..15_u8, 1 => proptest::num::u8::ANY],
            0..80,
        ),
    ) {
        attempt::<Everything<'_>>(&bytes);
        attempt::<Kinds<Vec<Option<u8>>>>(&bytes);
        attempt::<(Vec<u64>, Box<[i16]>, Vec<(u8, Vec<f32>)>)>(&bytes);
        attempt::<(Vec<Wrapped<i32>>, BTreeSet<u8>, Vec<char>)>(&bytes);
    }

    #[test]
    fn numbers_pass_in_every_container(
        bytes: Vec<u8>,
        words: Vec<u64>,
        small: Vec<i16>,
        wide: Vec<u128>,
        floats in prop::collection::vec(-1e300_f64..1e300, 0..50),
    ) {
        passes(&words);
        passes(&Some(bytes.clone()));
        passes(&Ok::<_, String>(floats.clone()));
        passes(&Err::<(), _>(small.clone()));
        passes(&(small.clone(), words.clone(), wide.clone(), bytes.clone()));
        passes(&vec![words.clone(), Vec::new(), words.clone()]);
        passes(&BTreeMap::from([("a".to_owned(), bytes.clone()), ("b".to_owned(), bytes.clone())]));
        passes(&words.clone().into_boxed_slice());
        passes(&Box::new(Box::<[f64]>::from(floats.clone())));
        passes(&Some(Box::new(small.clone())));
        passes(&HashMap::from([(1_u8, floats.clone())]));
        passes(&VecDeque::from(words.clone()));
        passes(&small.iter().copied().collect::<BTreeSet<_>>());
        passes(&Cow::<'static, [u64]>::Owned(words.clone()));
        passes(&Wrapped(Some(Wrapped(wide.clone()))));
        passes(&Kept { before: 1, numbers: floats.clone(), mapped: words.clone(), after: bytes.clone() });
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped<T>(T);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    before: u8,
    numbers: Vec<f64>,
    #[serde(with = "shifted")]
    mapped: Vec<u64>,
    after: Vec<u8>,
}

/// Writes numbers plus one, and reads them with a visitor of its own.
mod shifted {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        numbers: &[u64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let shifted: Vec<u64> = numbers
            .iter()
            .map(|number| number.wrapping_add(1))
            .collect();
        shifted.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
        struct Back;
        impl<'de> Visitor<'de> for Back {
            type Value = Vec<u64>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = seq.next_element::<u64>()? {
                    numbers.push(number.wrapping_sub(1));
                }
                Ok(numbers)
            }
        }
        from.deserialize_seq(Back)
    }
}

/// What a sequence announces.
struct Announced(Option<usize>);

impl<'de> Deserialize<'de> for Announced {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Asks;

        impl<'de> Visitor<'de> for Asks {
            type Value = Announced;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut format: A) -> Result<Announced, A::Error> {
                let announced = Announced(format.size_hint());
                while format.next_element::<u64>().is_ok_and(|one| one.is_some()) {}
                Ok(announced)
            }
        }

        source.deserialize_seq(Asks)
    }
}

#[test]
fn no_more_is_announced_than_can_be_there() {
    let numbers: Vec<u64> = (0..100).collect();
    let honest = write(&Elements(numbers, 100));
    assert_eq!(read::<Announced>(&honest).unwrap().0, Some(100));
    // The format's own length, the mark, how many numbers are to come, and no block.
    let hostile = postcard::to_allocvec(&(7_u64, u8::MAX, 1_u64 << 60, 0_u8)).unwrap();
    assert!(read::<Announced>(&hostile).unwrap().0.unwrap() < 8);
}
