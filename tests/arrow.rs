//! Record batches of Arrow as arguments and results: they come out as they went in.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parproc::arrow::Batch;
use parproc::arrow::arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use parproc::arrow::arrow_array::cast::AsArray;
use parproc::arrow::arrow_array::types::{Float64Type, Int8Type, Int32Type};
use parproc::arrow::arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Float64Array, Int32Array, ListArray, NullArray, RecordBatch, RecordBatchOptions, RunArray,
    StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
};
use parproc::parallel;
use parproc_tests::{in_time, inline_pool, pool};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[parallel]
fn echo(batch: Batch) -> Batch {
    batch
}

/// Lent, and of other columns than its result.
#[parallel]
fn total(batch: &Batch) -> Option<f64> {
    let column = batch.column(0).as_primitive_opt::<Float64Type>()?;
    Some(column.iter().flatten().sum())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Table {
    name: String,
    #[serde(with = "parproc::arrow")]
    rows: RecordBatch,
    parts: Vec<Option<Batch>>,
}

#[parallel]
fn echo_table(table: Table) -> Table {
    table
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Batch {
    Batch(RecordBatch::try_from_iter(columns).unwrap())
}

/// All come back as they are from workers and from a pool without any.
fn come_back(batches: Vec<Batch>) {
    in_time(move || {
        for pool in [pool(2), inline_pool()] {
            let echoes = pool.map(echo, batches.clone()).unwrap();
            assert_eq!(echoes, batches);
            for echo in echoes {
                for column in echo.columns() {
                    column.to_data().validate_full().unwrap();
                }
            }
        }
    });
}

fn lists() -> ListArray {
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1), None, Some(3)]);
    lists.append_null();
    lists.append_value([]);
    lists.append_value([Some(4)]);
    lists.finish()
}

#[test]
fn batches_with_nulls_text_and_numbers_come_out_as_they_went_in() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-3), Some(4)]));
    let text = StringArray::from(vec![Some("one"), None, Some(""), Some("vier \u{1f600}")]);
    let long = "more than the twelve bytes that stand in a view".repeat(50);
    let views = StringViewArray::from(vec![Some("short"), None, Some(long.as_str()), Some("")]);
    let flags = BooleanArray::from(vec![Some(true), None, Some(false), None]);
    let sizes = FixedSizeBinaryArray::try_from_iter([[1_u8; 3], [2; 3], [3; 3], [4; 3]].iter());
    let times = TimestampNanosecondArray::from(vec![0, i64::MAX, i64::MIN, 1]);
    let wide = Decimal128Array::from(vec![Some(i128::MAX), None, Some(-1), Some(0)]);
    come_back(vec![
        batch(vec![("numbers", numbers.clone())]),
        batch(vec![("text", Arc::new(text)), ("views", Arc::new(views))]),
        batch(vec![
            ("flags", Arc::new(flags)),
            ("sizes", Arc::new(sizes.unwrap())),
            ("times", Arc::new(times.with_timezone("Europe/Berlin"))),
            ("wide", Arc::new(wide)),
            ("nothing", Arc::new(NullArray::new(4))),
            ("numbers", numbers),
        ]),
    ]);
}

#[test]
fn batches_of_nested_and_encoded_columns_come_out_as_they_went_in() {
    let words: DictionaryArray<Int8Type> = ["a", "b", "a", "c"].into_iter().collect();
    let other: DictionaryArray<Int8Type> = [None, Some("x"), None, None].into_iter().collect();
    let fields = vec![
        (
            Arc::new(Field::new("words", words.data_type().clone(), true)),
            Arc::new(words.clone()) as ArrayRef,
        ),
        (
            Arc::new(Field::new("lists", lists().data_type().clone(), true)),
            Arc::new(lists()),
        ),
    ];
    let nested = StructArray::from(fields);
    let ends = Int32Array::from(vec![3, 4]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["x", "y"]));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..4 {
        for key in 0..row {
            maps.keys().append_value(format!("key {key}"));
            maps.values().append_option((key > 0).then_some(key));
        }
        maps.append(row != 2).unwrap();
    }
    come_back(vec![
        batch(vec![("words", Arc::new(words)), ("other", Arc::new(other))]),
        batch(vec![("nested", Arc::new(nested))]),
        batch(vec![
            ("runs", Arc::new(runs.unwrap())),
            ("maps", Arc::new(maps.finish())),
        ]),
    ]);
}

#[test]
fn batches_of_nothing_come_out_as_they_went_in() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
        Field::new_list(
            "lists",
            Field::new_list_field(DataType::Utf8View, true),
            true,
        ),
    ]));
    let bare = RecordBatchOptions::new().with_row_count(Some(7));
    let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &bare).unwrap();
    assert_eq!(bare.num_rows(), 7);
    come_back(vec![
        Batch(RecordBatch::new_empty(schema)),
        Batch(RecordBatch::new_empty(Arc::new(Schema::empty()))),
        Batch(bare),
    ]);
}

#[test]
fn metadata_and_slices_come_out_as_they_went_in() {
    let about = |text: &str| HashMap::from([("about".to_owned(), text.to_owned())]);
    let field = Field::new("lists", lists().data_type().clone(), true).with_metadata(about("it"));
    let schema = Schema::new(vec![field]).with_metadata(about("all"));
    let told = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(lists())]).unwrap();

    let words = (0..1000).map(|n| (n % 3 > 0).then(|| "x".repeat(n % 50)));
    let words: Vec<Option<String>> = words.collect();
    let keys: DictionaryArray<Int32Type> = words.iter().map(Option::as_deref).collect();
    let views: StringViewArray = words.iter().collect();
    let flags: BooleanArray = (0..1000)
        .map(|n| (n % 7 > 0).then_some(n % 2 > 0))
        .collect();
    let text: StringArray = words.iter().collect();
    let whole = batch(vec![
        ("text", Arc::new(text)),
        ("views", Arc::new(views)),
        ("keys", Arc::new(keys)),
        ("flags", Arc::new(flags)),
    ]);
    let parts = [(0, 1), (1, 998), (13, 500), (999, 1), (400, 0)];
    let mut batches: Vec<_> = parts
        .iter()
        .map(|&(at, len)| Batch(whole.slice(at, len)))
        .collect();
    batches.extend([Batch(told.slice(1, 3)), Batch(told)]);
    come_back(batches);
}

#[test]
fn a_large_batch_comes_out_as_it_went_in() {
    in_time(|| {
        // 50 MB in three columns, the last with nulls.
        let numbers = || Float64Array::from_iter_values((0..2_000_000).map(f64::from));
        let holes: Float64Array = (0..2_000_000)
            .map(|n| (n % 5 > 0).then_some(f64::from(n)))
            .collect();
        let sent = batch(vec![
            ("a", Arc::new(numbers())),
            ("b", Arc::new(numbers())),
            ("c", Arc::new(holes)),
        ]);
        let pool = pool(1);
        assert_eq!(pool.map(echo, [sent.clone()]).unwrap()[0], sent);
        let totals = pool.map(total, [&sent, &batch(vec![("n", Arc::new(lists()))])]);
        assert_eq!(
            totals.unwrap(),
            [Some((0..2_000_000).map(f64::from).sum()), None]
        );
    });
}

#[test]
fn batches_inside_of_values_come_out_as_they_went_in() {
    in_time(|| {
        let rows = batch(vec![("lists", Arc::new(lists()))]);
        let table = Table {
            name: "a".to_owned(),
            parts: vec![Some(Batch(rows.slice(1, 2))), None, Some(rows.clone())],
            rows: rows.into(),
        };
        let sent = vec![table; 100];
        assert_eq!(pool(2).map(echo_table, sent.clone()).unwrap(), sent);
    });
}

/// Writes as a batch what is none, as a worker can that went wrong.
#[derive(Debug)]
struct Forged(Vec<u8>);

impl Serialize for Forged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Bytes<'a>(&'a [u8]);

        impl Serialize for Bytes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self.0)
            }
        }

        let mut parts = serializer.serialize_tuple(2)?;
        parts.serialize_element(&(self.0.len() as u64))?;
        parts.serialize_element(&[Bytes(&self.0)].as_slice())?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Forged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Batch::deserialize(deserializer).map(|_| Self(Vec::new()))
    }
}

#[parallel]
fn forged(bytes: Vec<u8>) -> Forged {
    Forged(bytes)
}

#[test]
fn what_is_no_batch_costs_its_item_and_is_told() {
    in_time(|| {
        let pool = pool(1);
        // Metadata of one message that ends too early, no metadata at all, and none of Arrow's.
        let wrong = [
            b"".to_vec(),
            b"a batch".to_vec(),
            [&[0xff; 4][..], &[0xf0, 0xff, 0xff, 0x7f, 0]].concat(),
            [&[0xff; 4][..], &[0; 4]].concat(),
            [&[0xff; 4][..], &[16, 0, 0, 0], &[0xee; 16]].concat(),
        ];
        for outcome in pool.outcomes(forged, wrong).unwrap() {
            let error = outcome.unwrap_err();
            assert!(error.is_decode(), "{error}");
            assert!(error.to_string().contains("record batch"), "{error}");
        }
        let sent = batch(vec![("lists", Arc::new(lists()))]);
        assert_eq!(pool.map(echo, [sent.clone()]).unwrap(), [sent]);
    });
}
