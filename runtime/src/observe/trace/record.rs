//! The lines of a trace.

use serde::Serialize;

/// One event of the format; what is none is not written.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) cat: &'a str,
    /// The kind: `X` has a length, `i` is an instant, `C` a counter, `b` and `e` begin and end what may overlap,
    /// `M` names something.
    pub(super) ph: &'static str,
    /// In microseconds, as `dur`.
    pub(super) ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dur: Option<f64>,
    /// The number of the pool, or of its part on another rank.
    pub(super) pid: usize,
    /// 0 for calls, and workers from 1.
    pub(super) tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    /// `t`: the instant belongs to its thread; `p`: to its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) s: Option<&'static str>,
    /// One of the names of colours that the format has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cname: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Args<'a>>,
}

/// What is said about an event besides.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Args<'a> {
    Name {
        name: &'a str,
    },
    Sort {
        sort_index: usize,
    },
    /// There are many of these: what goes without saying is left out.
    Item {
        item: usize,
        #[serde(skip_serializing_if = "is_first")]
        attempt: u32,
        #[serde(skip_serializing_if = "is_zero")]
        decoding_ns: u64,
        #[serde(skip_serializing_if = "is_zero")]
        encoding_ns: u64,
        result_bytes: usize,
    },
    Chunk {
        first: usize,
        items: usize,
    },
    Call {
        items: Option<usize>,
    },
    Failure {
        item: usize,
        attempt: u32,
        retried: bool,
        report: &'a str,
    },
    Retry {
        item: usize,
        attempt: u32,
        pause_ms: u64,
    },
    Process {
        process: u32,
    },
    End {
        process: u32,
        how: &'a str,
        peak_memory: u64,
        cpu_ms: u64,
    },
    Busy {
        busy: usize,
    },
    Node {
        rank: usize,
        host: &'a str,
    },
}

fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The colour of what failed.
pub(super) const BAD: Option<&str> = Some("terrible");
