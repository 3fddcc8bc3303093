//! Results that name what cannot leave its node.

use std::sync::Arc;

use crate::error::{Failure, Step, TaskError};
use crate::object::{Object, is_named_in};
use crate::pool::chunk::{Delivery, Origin};
use crate::wire::Records;

/// The news, with an error in place of each result that names what is on this machine only.
pub(super) fn held_back(delivery: Delivery, name: &'static str) -> Vec<Delivery> {
    let (Delivery::Records { objects, .. } | Delivery::Large { objects, .. }) = &delivery else {
        return vec![delivery];
    };
    let staying = objects.iter().filter(|object| object.twin().is_none());
    let staying: Vec<_> = staying.cloned().collect();
    if staying.is_empty() {
        return vec![delivery];
    }
    match delivery {
        Delivery::Records {
            first,
            origin,
            bytes,
            row,
            objects,
            ..
        } => {
            let mut parts = Vec::new();
            for (index, record) in (first..).zip(records(&bytes)) {
                let named = staying.iter().find(|one| is_named_in(one, record));
                if let Some(object) = named {
                    parts.push(failed(name, index, origin, object));
                } else if let Some(Delivery::Records { bytes, count, .. }) = parts.last_mut() {
                    bytes.extend_from_slice(record);
                    *count += 1;
                } else {
                    parts.push(Delivery::Records {
                        first: index,
                        count: 1,
                        origin,
                        bytes: record.to_vec(),
                        row,
                        objects: objects.clone(),
                    });
                }
            }
            parts
        }
        Delivery::Large { index, origin, .. } => {
            vec![failed(name, index, origin, &staying[0])]
        }
        other => vec![other],
    }
}

/// The records with their headers.
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut records = Records(bytes);
    std::iter::from_fn(move || {
        let rest = records.0;
        records.next()?;
        Some(&rest[..rest.len() - records.0.len()])
    })
}

fn failed(name: &'static str, index: usize, origin: Origin, object: &Arc<Object>) -> Delivery {
    let what = object.what();
    let reason = format!(
        "it names {what}, which processes of one machine share, and this item ran on another node than the program: \
         return the values themselves. An item runs beside the program if its arguments name such a thing"
    );
    let failure = Failure::new(Step::EncodeResult, String::new(), reason);
    let error = TaskError::failed(name, index, origin.pid, failure).in_attempt(origin.attempt);
    Delivery::Failed { index, error }
}
