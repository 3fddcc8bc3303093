//! News of several tasks, divided.

use super::KEPT_BYTES;
use crate::error::{Error, ErrorKind};
use crate::pool::chunk::Delivery;
use crate::wire::Records;

/// The same news in parts of about [`KEPT_BYTES`], which take no more memory than they need.
pub(super) fn parts(delivery: Delivery) -> impl Iterator<Item = Delivery> {
    let Delivery::Records {
        mut first,
        count,
        origin,
        ref bytes,
        row,
        ref objects,
    } = delivery
    else {
        return Some(delivery).into_iter().chain(Vec::new());
    };
    let loose = bytes.capacity() > 2 * bytes.len() || count > 1;
    if bytes.capacity() <= KEPT_BYTES || !loose {
        return Some(delivery).into_iter().chain(Vec::new());
    }
    let mut parts = Vec::new();
    let mut records = Records(bytes);
    let end = first + count;
    while first < end {
        let rest = records.0;
        let from = first;
        let mut len = 0;
        while first < end && (first == from || len < KEPT_BYTES) {
            records.next();
            first += 1;
            len = rest.len() - records.0.len();
        }
        parts.push(Delivery::Records {
            first: from,
            count: first - from,
            origin,
            bytes: rest[..len].to_vec(),
            row,
            objects: objects.clone(),
        });
    }
    None.into_iter().chain(parts)
}

/// The news of one task, out of that of several.
pub(super) fn part(delivery: &Delivery, offset: usize) -> Delivery {
    match delivery {
        Delivery::Records {
            first,
            origin,
            bytes,
            objects,
            ..
        } => {
            let rest = bytes.get(offset..).unwrap_or_default();
            let mut records = Records(rest);
            records.next();
            let len = rest.len() - records.0.len();
            Delivery::Records {
                first: *first,
                count: 1,
                origin: *origin,
                bytes: rest[..len].to_vec(),
                row: false,
                objects: objects.clone(),
            }
        }
        Delivery::Ended { first, ending, .. } => Delivery::Ended {
            first: *first,
            count: 1,
            ending: *ending,
        },
        Delivery::Aborted(error) => Delivery::Aborted(error.again()),
        Delivery::Large { .. }
        | Delivery::Failed { .. }
        | Delivery::Unsaved(_)
        | Delivery::Returned(_) => Delivery::Aborted(Error::new(ErrorKind::Closed)),
    }
}
