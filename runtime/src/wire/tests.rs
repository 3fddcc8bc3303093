//! Properties of encoding and decoding.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::resume_unwind;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::error::{Failure, Step};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Named { text: String, numbers: Vec<f32> },
    Pair(i64, Option<Box<Shape>>),
    Map(BTreeMap<String, Vec<u8>>),
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Nothing),
        (any::<String>(), prop::collection::vec(-1e9_f32..1e9, 0..8))
            .prop_map(|(text, numbers)| Shape::Named { text, numbers }),
        prop::collection::btree_map(any::<String>(), any::<Vec<u8>>(), 0..4).prop_map(Shape::Map),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        (any::<i64>(), prop::option::of(inner.prop_map(Box::new)))
            .prop_map(|(number, next)| Shape::Pair(number, next))
    })
}

/// Sends values the way of arguments, from memory and as a stream.
fn pass<T: Serialize + Argument + Clone>(values: &[T]) -> Vec<T> {
    let mut payload = Payload::default();
    for value in values {
        encode_argument(value.clone(), &mut payload).unwrap();
    }
    let len = payload.len();
    let bytes = payload.whole();
    assert_eq!(bytes.len(), len);

    let mut arguments = Arguments::from_bytes(&bytes, 0);
    let taken: Vec<T> = values.iter().map(|_| take_one(&mut arguments)).collect();
    let mut stream = Replay(&bytes);
    let mut arguments = Arguments::from_stream(&mut stream, 0);
    let streamed: Vec<Vec<u8>> = values
        .iter()
        .map(|_| {
            let value: T = take_one(&mut arguments);
            let mut again = Payload::default();
            encode_argument(value, &mut again).unwrap();
            again.whole().into_owned()
        })
        .collect();
    assert_eq!(
        streamed.concat(),
        *bytes,
        "a stream gives what memory gives"
    );
    taken
}

fn take_one<T: Argument>(arguments: &mut Arguments<'_>) -> T {
    arguments.begin(1);
    arguments.take().unwrap()
}

struct Replay<'a>(&'a [u8]);

impl Stream for Replay<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        let (now, rest) = self.0.split_at(bytes.len());
        bytes.copy_from_slice(now);
        self.0 = rest;
    }

    fn skip(&mut self, len: u64) {
        self.0 = &self.0[len as usize..];
    }
}

impl Host for Gathered {
    fn look(&mut self, begun: u32, _window: &Window<'_>) -> u32 {
        u32::from(begun == 0)
    }

    fn failed(&mut self, failure: Failure) {
        panic!("{failure:?}");
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        resume_unwind(payload);
    }
}

fn pass_back<R: Output>(value: R) -> R {
    let (mut sink, mut scratch, untracked) =
        (Gathered::default(), Vec::new(), Untracked::default());
    let arguments = Arguments::from_bytes(&[], 0);
    let mut items = Items::new(
        arguments,
        0,
        untracked.track(),
        None,
        &mut sink,
        &mut scratch,
    );
    let mut value = Some(value);
    items.each(|_, reply| reply.put(value.take().unwrap()));
    let (status, bytes) = Records(&sink.bytes).next().unwrap();
    assert_eq!(status, Status::Value);
    let mut place = landing::<R>(bytes.len(), &mut Recycled::default()).unwrap();
    place.bytes_mut().copy_from_slice(bytes);
    land::<R>(place).unwrap();
    decode(bytes).unwrap()
}

#[test]
fn an_item_that_has_its_record_gets_no_other() {
    let numbers = records_of(|reply| {
        reply.put(7_u64)?;
        panic!("behind its record")
    });
    assert_eq!(numbers, [(Status::Value, 7_u64.to_ne_bytes().to_vec())]);
    let texts = records_of(|reply| {
        reply.put(Some(7_u8))?;
        Err(Failure::of::<u8>(Step::EncodeResult, String::new()))
    });
    assert_eq!(texts, [(Status::Value, vec![1, 7])]);
}

/// Of one item.
fn records_of(mut call: impl FnMut(Reply<'_>) -> Result<(), Failure>) -> Vec<(Status, Vec<u8>)> {
    let (mut sink, mut scratch, untracked) =
        (Gathered::default(), Vec::new(), Untracked::default());
    let arguments = Arguments::from_bytes(&[], 0);
    let track = untracked.track();
    let mut items = Items::new(arguments, 0, track, None, &mut sink, &mut scratch);
    items.each(|_, reply| call(reply));
    assert_eq!(items.begun(), 1);
    let records = Records(&sink.bytes);
    records
        .map(|(status, bytes)| (status, bytes.to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn serde_values_pass(values in prop::collection::vec(shapes(), 0..5)) {
        prop_assert_eq!(pass(&values), values.clone());
        for value in values {
            prop_assert_eq!(pass_back(value.clone()), value);
        }
    }

    #[test]
    fn plain_values_pass(
        numbers: Vec<u64>,
        floats in prop::collection::vec(-1e300_f64..1e300, 0..50),
        small: Vec<i16>,
        bytes: Vec<Vec<u8>>,
        one: i128,
    ) {
        prop_assert_eq!(pass(&numbers), numbers.clone());
        prop_assert_eq!(pass(&floats), floats.clone());
        prop_assert_eq!(pass(&bytes), bytes);
        prop_assert_eq!(pass(&[small.clone(), small.clone()]), [small.clone(), small.clone()]);
        prop_assert_eq!(pass_back(numbers.clone()), numbers);
        prop_assert_eq!(pass_back(floats.clone()), floats);
        prop_assert_eq!(pass_back(small.clone()), small);
        prop_assert_eq!(pass_back(one), one);
    }

    #[test]
    fn borrowed_values_are_read_as_owned_ones(numbers: Vec<u32>, text: String, one: f32) {
        let mut payload = Payload::default();
        encode_argument(&numbers[..], &mut payload).unwrap();
        encode_argument(&numbers, &mut payload).unwrap();
        encode_argument(text.as_str(), &mut payload).unwrap();
        let lent = &one;
        encode_argument(lent, &mut payload).unwrap();
        let bytes = payload.whole();
        let mut arguments = Arguments::from_bytes(&bytes, 0);
        arguments.begin(4);
        prop_assert_eq!(&arguments.take::<Vec<u32>>().unwrap(), &numbers);
        prop_assert_eq!(&arguments.take::<Vec<u32>>().unwrap(), &numbers);
        let read = arguments.take_text().unwrap();
        prop_assert!(matches!(&read, Cow::Borrowed(found) if **found == text));
        prop_assert_eq!(arguments.take::<f32>().unwrap().to_bits(), one.to_bits());
    }

    #[test]
    fn dropping_arguments_leaves_the_others(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        large in 0..12_usize,
        dropped in 0..12_usize,
    ) {
        let mut values = values;
        if let Some(value) = values.get_mut(large) {
            value.resize(100_000, 7);
        }
        let mut payload = Payload::default();
        for value in &values {
            encode_argument(value.clone(), &mut payload).unwrap();
        }
        let dropped = dropped.min(values.len());
        let mut place = Place::default();
        payload.pass(&mut place, dropped, 1);
        let whole = payload.whole().into_owned();
        let copies = (dropped..values.len()).map(|_| payload.copy_item(&mut place, 1));
        let copied: Vec<u8> = copies.flat_map(|copy| copy.whole().into_owned()).collect();
        prop_assert!(whole.ends_with(&copied));
        let taken = payload.take_items(dropped, 1);
        prop_assert_eq!(taken.len() + copied.len(), whole.len());
        for (payload, values) in [(taken, &values[..dropped]), (payload, &values[dropped..])] {
            let bytes = payload.whole();
            prop_assert_eq!(bytes.len(), payload.len());
            let mut arguments = Arguments::from_bytes(&bytes, 0);
            for value in values {
                prop_assert_eq!(&take_one::<Vec<u8>>(&mut arguments), value);
            }
        }
    }

    #[test]
    fn foreign_bytes_are_an_error_and_no_panic(bytes: Vec<u8>) {
        let _ = decode::<Shape>(&bytes);
        let _ = decode::<u64>(&bytes);
        let _ = decode::<Vec<f64>>(&bytes);
        let _ = decode::<String>(&bytes);
        let mut arguments = Arguments::from_bytes(&bytes, 0);
        arguments.begin(2);
        let _ = arguments.take_text();
        let _ = arguments.take::<Shape>();
        arguments.finish();
        for _ in Records(&bytes) {}
    }

    #[test]
    fn headers_are_read_as_they_were_written(len in 0..u64::MAX >> 2, cut in 0..LONGEST_HEADER) {
        let mut bytes = [0; LONGEST_HEADER];
        let taken = write_header(Status::Failed, len as usize, &mut bytes);
        prop_assert_eq!(parse_header(&bytes[..taken]), Header::Whole(Status::Failed, len, taken));
        if cut < taken {
            prop_assert_eq!(parse_header(&bytes[..cut]), Header::Short);
        }
    }
}

#[test]
fn a_row_of_numbers_is_divided_and_copied_item_by_item() {
    let values = [7_u32, 0, u32::MAX, 1 << 20, 5];
    let mut left = values.iter();
    let mut put = |slot: &mut [u8]| left.next().map(|value| put_number(value, slot)).is_some();
    let (mut payload, mut count) = (Payload::row(Vec::new(), number_width::<&u32>()), 0);
    assert!(!payload.fill_row(9, &mut count, &mut put));
    payload.end_row(count);
    assert_eq!((count, payload.len()), (5, 20));

    let mut place = Place::default();
    payload.pass(&mut place, 2, 1);
    let copy = payload.copy_item(&mut place, 1);
    assert_eq!(copy.width(), 0, "an item alone is no row");
    let mut arguments = Arguments::from_bytes(&copy.bytes, 0);
    assert_eq!(take_one::<u32>(&mut arguments), values[2]);

    let first = payload.take_items(2, 1);
    for (part, values) in [(first, &values[..2]), (payload, &values[2..])] {
        let bytes = part.whole();
        let mut arguments = Arguments::from_bytes(&bytes, part.width());
        arguments.skip(1, 1);
        for value in &values[1..] {
            assert_eq!(take_one::<u32>(&mut arguments), *value);
        }
        arguments.begin(1);
        assert!(arguments.take::<u32>().is_err(), "there are no more");
        let mut stream = Replay(&bytes);
        let mut arguments = Arguments::from_stream(&mut stream, part.width());
        arguments.skip(1, 1);
        for value in &values[1..] {
            assert_eq!(take_one::<u32>(&mut arguments), *value);
        }
    }
}

#[test]
fn a_failed_item_leaves_no_bytes() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("out of ink"))
        }
    }
    let mut payload = Payload::default();
    encode_argument(1_u8, &mut payload).unwrap();
    let before = payload.len();
    let failure = encode_argument((1_u8, Fails), &mut payload)
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("out of ink") && failure.contains("Fails"),
        "{failure}"
    );
    assert_eq!(payload.len(), before);
}

#[test]
fn text_is_read_from_a_stream_too_and_has_to_be_text() {
    let mut payload = Payload::default();
    encode_argument("é text", &mut payload).unwrap();
    encode_argument(&b"\xff"[..], &mut payload).unwrap();
    encode_argument("more", &mut payload).unwrap();
    let bytes = payload.whole();
    let mut stream = Replay(&bytes);
    for mut arguments in [
        Arguments::from_bytes(&bytes, 0),
        Arguments::from_stream(&mut stream, 0),
    ] {
        arguments.begin(3);
        assert_eq!(arguments.take_text().unwrap(), "é text");
        let failure = arguments.take_text().unwrap_err();
        assert!(failure.to_string().contains("String"), "{failure}");
        assert_eq!(arguments.take_text().unwrap(), "more");
    }
}

#[test]
fn a_large_vector_is_not_copied() {
    let value = vec![1.0_f64; 1 << 20];
    let place = value.as_ptr().cast::<u8>();
    let mut payload = Payload::default();
    encode_argument(value, &mut payload).unwrap();
    assert_eq!(payload.piece(1).map(|piece| piece.as_ptr()), Some(place));
}

#[test]
fn an_impossible_length_is_no_landing() {
    assert!(
        landing::<Vec<u64>>(usize::MAX >> 4, &mut Recycled::default()).is_none(),
        "more than any memory"
    );
    assert!(
        landing::<Vec<u64>>(9, &mut Recycled::default()).is_none(),
        "no whole number of elements"
    );
    assert!(landing::<String>(usize::MAX >> 4, &mut Recycled::default()).is_none());
}

#[test]
fn a_frame_header_is_read_as_it_was_written() {
    let header = FrameHeader {
        number: u64::MAX - 1,
        function: 7,
        count: 8,
        bytes: 1 << 40,
        granted: true,
        clocked: false,
        carries: true,
        told: false,
        divisible: true,
        timed: true,
        width: 8,
        row: 16,
        numbering: Numbering::Items,
        first: 1 << 33,
        attempt: 3,
        seed: u64::MAX - 2,
        levels: Levels { tracing: 5, log: 3 },
    };
    assert_eq!(FrameHeader::from_bytes(&header.to_bytes()), header);
    let other = FrameHeader {
        granted: false,
        clocked: true,
        numbering: Numbering::Tasks,
        ..header
    };
    assert_eq!(FrameHeader::from_bytes(&other.to_bytes()), other);
    let hook = FrameHeader {
        numbering: Numbering::Unnumbered,
        ..header
    };
    assert_eq!(FrameHeader::from_bytes(&hook.to_bytes()), hook);
}
