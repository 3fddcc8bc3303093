//! Values of `tracing` as they travel.

use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, Visit};

use crate::wire::log::{Budget, LogValue, LogValues};

/// Gathers the values of an event or a span.
#[derive(Debug, Default)]
pub(super) struct Gather {
    values: Vec<(u32, LogValue<'static>)>,
    budget: Budget,
}

impl Gather {
    pub(super) fn done(self) -> LogValues<'static> {
        LogValues(self.values)
    }

    fn put(&mut self, field: &Field, value: LogValue<'static>) {
        // Fields are written down one by one in the source: there are few.
        self.values.push((field.index() as u32, value));
    }
}

impl Visit for Gather {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, LogValue::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, LogValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, LogValue::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, LogValue::I128(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, LogValue::U128(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, LogValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.budget.text(value).into_owned();
        self.put(field, LogValue::Text(text.into()));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let bytes = self.budget.bytes(value).into_owned();
        self.put(field, LogValue::Bytes(bytes.into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let error = self.budget.error(value);
        self.put(field, error);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let shown = self.budget.shown(format_args!("{value:?}"));
        self.put(field, LogValue::Shown(shown));
    }
}
