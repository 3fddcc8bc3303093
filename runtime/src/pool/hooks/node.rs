//! Hooks of a pool on its nodes, which know a function by its number and nothing of its types.

use std::sync::Arc;

use super::{Encoded, ExitHook, Failed, Find, Hooks, InitHook};
use crate::error::{Error, ErrorKind, TaskError};
use crate::object::Object;
use crate::pool::backend::InitPlan;
use crate::pool::chunk::{Delivery, Origin};
use crate::pool::results::open_record;
use crate::registry::FunctionId;
use crate::wire::{LONGEST_HEADER, Records, Status, landing, write_header};

/// An init function that returned an error says so here; rank 0 reads which one.
const RETURNED: &str = "it returned an error";

impl InitHook {
    /// One of rank 0's.
    pub(in crate::pool) fn of_node(
        function: u32,
        arguments: Vec<u8>,
        objects: Vec<Arc<Object>>,
    ) -> Self {
        Self {
            find: Find::Known(FunctionId(function)),
            arguments: Ok(Encoded {
                bytes: arguments.into(),
                objects: objects.into(),
            }),
            landing: landing::<Vec<u8>>,
            open,
        }
    }
}

impl ExitHook {
    /// One of rank 0's.
    pub(in crate::pool) fn of_node(function: u32) -> Self {
        Self {
            find: Find::Known(FunctionId(function)),
        }
    }
}

/// What the init function said: nothing, or a `Result<(), E>`, whose `Ok` is a 0.
fn open(name: &'static str, delivery: Delivery) -> Result<(), Failed> {
    let bytes = match delivery {
        Delivery::Records { bytes, origin, .. } => match Records(&bytes).next() {
            None => return Ok(()),
            Some((Status::Value, [] | [0])) => return Ok(()),
            Some((Status::Value, _)) => bytes,
            Some((status, value)) => {
                return open_record::<()>(name, 0, origin, status, value).map_err(Failed::from);
            }
        },
        // No success is large.
        Delivery::Large { mut landing, .. } => {
            let value = landing.bytes_mut();
            let mut header = [0; LONGEST_HEADER];
            let len = write_header(Status::Value, value.len(), &mut header);
            [&header[..len], value].concat()
        }
        _ => return Ok(()),
    };
    Err(Failed {
        said: Some(bytes),
        ..Failed::because(RETURNED.to_owned())
    })
}

impl Failed {
    /// What it returned, for rank 0.
    pub(super) fn take_said(&mut self) -> Option<Vec<u8>> {
        self.said.take()
    }
}

impl Hooks {
    /// The functions as they are told to nodes, the first one with its arguments.
    pub(in crate::pool) fn to_plan(&self) -> (Option<InitPlan>, Option<u32>) {
        let init = self.init.as_ref().map(|init| InitPlan {
            function: init.function.0,
            arguments: init.arguments.to_vec(),
            objects: init.named().iter().map(|object| object.id()).collect(),
        });
        (init, self.exit.map(|function| function.0))
    }

    /// What the arguments of the init function name.
    pub(in crate::pool) fn named(&self) -> Arc<[Arc<Object>]> {
        let init = self.init.as_ref();
        init.map(|init| Arc::clone(&init.named()))
            .unwrap_or_default()
    }

    /// True when what the arguments of the init function name is on this machine only.
    pub(in crate::pool) fn stays(&self) -> bool {
        let init = self.init.as_ref();
        init.is_some_and(|init| init.named().iter().any(|object| object.twin().is_none()))
    }

    /// The error of a node whose init function failed.
    pub(in crate::pool) fn error_of_node(
        &self,
        at: &str,
        reason: String,
        said: Option<Vec<u8>>,
        source: Option<TaskError>,
    ) -> Error {
        let function = self.init.as_ref().map_or("?", |init| init.name).to_owned();
        let said = said.filter(|bytes| !bytes.is_empty());
        let read = said.and_then(|bytes| {
            let delivery = Delivery::Records {
                first: 0,
                count: 1,
                origin: Origin::NOBODY,
                bytes,
                row: false,
                objects: Vec::new(),
            };
            self.init.as_ref()?.open(delivery).err()
        });
        let reason = read.map_or(reason, |failed| failed.reason);
        Error::new(ErrorKind::Init {
            function,
            reason: format!("{reason} ({at})"),
            source,
        })
    }
}
