//! Tests of streams that are no batch, within one process.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, DictionaryArray, Int32Array, Int64Array, NullArray,
    RecordBatch, RunArray, StringArray, StringViewArray, StructArray, UnionArray,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use proptest::prelude::*;
use serde::Serialize;

use super::Batch;
use super::read::batch;

/// What a batch is as a stream.
fn stream(batch: &RecordBatch) -> Vec<u8> {
    let bytes = postcard::to_stdvec(&Batch(batch.clone())).unwrap();
    let (_, blocks): (u64, Vec<Vec<u8>>) = postcard::from_bytes(&bytes).unwrap();
    blocks.concat()
}

/// A column of every way in which columns are laid out.
fn everything() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let numbers = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1), None, Some(3)]);
    lists.append_null();
    lists.append_value([]);
    let words: DictionaryArray<Int8Type> = [Some("a"), None, Some("b")].into_iter().collect();
    let text = StringArray::from(vec![Some("one"), None, Some("three")]);
    let views = StringViewArray::from(vec!["short", "longer than twelve bytes", ""]);
    let ends = Int32Array::from(vec![2, 3]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["x", "y"])).unwrap();
    let union_fields = [(0_i8, Arc::new(numbers.schema().field(0).clone()))];
    let union = UnionArray::try_new(
        union_fields.into_iter().collect(),
        ScalarBuffer::from(vec![0_i8, 0, 0]),
        Some(ScalarBuffer::from(vec![2, 1, 0])),
        vec![numbers.column(0).clone()],
    );
    let columns: [(&str, ArrayRef); 9] = [
        ("text", Arc::new(text)),
        ("nested", Arc::new(StructArray::from(numbers))),
        ("lists", Arc::new(lists.finish())),
        ("words", Arc::new(words)),
        ("views", Arc::new(views)),
        ("runs", Arc::new(runs)),
        ("union", Arc::new(union.unwrap())),
        (
            "wide",
            Arc::new(Decimal128Array::from(vec![1, -1, i128::MAX])),
        ),
        ("nothing", Arc::new(NullArray::new(3))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Makes what it can of a stream, and uses all of that.
fn attempt(bytes: &[u8]) -> Result<RecordBatch, String> {
    let made = batch(Buffer::from(bytes))?;
    for column in made.columns() {
        column.to_data().validate_full().unwrap();
    }
    Ok(made)
}

#[test]
fn a_batch_is_made_again_without_copying_its_columns_once_more() {
    let sent = everything();
    let bytes = Buffer::from(stream(&sent));
    let range = bytes.as_ptr_range();
    let made = batch(bytes).unwrap();
    assert_eq!(made, sent);
    let wide = made.column_by_name("wide").unwrap().to_data();
    assert!(range.contains(&wide.buffers()[0].as_ptr()));
}

#[test]
fn a_stream_that_is_cut_anywhere_is_an_error() {
    let bytes = stream(&everything());
    for len in 0..bytes.len() {
        attempt(&bytes[..len]).unwrap_err();
    }
    let mut longer = bytes.clone();
    longer.push(0);
    attempt(&longer).unwrap_err();
    attempt(&[&bytes[..], &bytes[..]].concat()).unwrap_err();
}

#[test]
fn a_length_that_is_no_truth_is_an_error() {
    #[derive(Serialize)]
    struct Lies(u64, Vec<Vec<u8>>);

    let bytes = stream(&everything());
    let says = |len: usize| {
        let lies = Lies(len as u64, vec![bytes.clone()]);
        let lies = postcard::to_stdvec(&lies).unwrap();
        postcard::from_bytes::<Batch>(&lies).is_ok()
    };
    assert!(says(bytes.len()));
    for len in [
        0,
        bytes.len() - 1,
        bytes.len() + 1,
        isize::MAX as usize,
        usize::MAX,
    ] {
        assert!(!says(len), "{len}");
    }
}

#[test]
fn a_stream_with_any_byte_changed_is_a_batch_or_an_error() {
    let bytes = stream(&everything());
    let mut refused = 0;
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            refused += usize::from(attempt(&bytes).is_err());
        }
    }
    assert!(
        refused > bytes.len() / 2,
        "{refused} of {}",
        3 * bytes.len()
    );
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_a_batch_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 8]>(), 1..9_usize), 1..4),
    ) {
        let mut bytes = stream(&everything());
        for (place, new, len) in changes {
            let place = place.index(bytes.len() - 8);
            bytes[place..place + len].copy_from_slice(&new[..len]);
        }
        let _ = attempt(&bytes);
    }
}

#[test]
fn what_is_written_is_no_more_than_a_slice_holds() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let whole = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let part = whole.slice(50_000, 10);
    assert!(stream(&part).len() < 2000);
    assert_eq!(attempt(&stream(&part)).unwrap(), part);
}
