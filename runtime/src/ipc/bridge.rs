//! Descriptors out of ipc-channel's values, and values from descriptors, by its public means only.
//!
//! The crate shows no descriptors, but it sends and receives them through a socket. So this process has two connections
//! with itself, of which the crate knows one end and we the other: a value that is sent into the first
//! one comes out as a message with descriptors, and a message with descriptors that is put into the second
//! one is received as a value.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_channel::ipc::{IpcOneShotServer, IpcSender, OpaqueIpcReceiver, OpaqueIpcSender};
use serde::{Deserialize, Serialize};

use crate::sys::{accept, connect, listen, receive_message, send_message};

/// The crate's limit for one message, beyond which it panics.
pub(super) const MOST: usize = 64;

static BRIDGE: Mutex<Option<Bridge>> = Mutex::new(None);

#[derive(Debug)]
pub(super) struct Bridge {
    out: OpaqueIpcSender,
    out_end: OwnedFd,
    /// None for a moment while it is used.
    back: Option<OpaqueIpcReceiver>,
    back_end: OwnedFd,
    /// The bytes of a message that holds nothing but descriptors.
    frame: Vec<u8>,
}

/// The bridge of this process, to be used by one thread at a time.
#[derive(Debug)]
pub(super) struct Crossing(MutexGuard<'static, Option<Bridge>>);

impl Crossing {
    pub(super) fn begin() -> io::Result<Self> {
        let mut bridge = BRIDGE.lock().unwrap_or_else(PoisonError::into_inner);
        // After a panic in the middle it may be in any state.
        if bridge.as_ref().is_none_or(|bridge| bridge.back.is_none()) {
            *bridge = Some(Bridge::build()?);
        }
        Ok(Self(bridge))
    }

    /// The descriptors in `value`, which says nothing else.
    pub(super) fn descriptors_of<T>(&mut self, value: T) -> io::Result<Vec<OwnedFd>>
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let bridge = self.bridge()?;
        // What is left of an earlier value that failed belongs to none.
        bridge.empty();
        let sender = bridge.out.clone().to::<T>();
        sender.send(value).map_err(io::Error::other)?;
        Ok(receive(&bridge.out_end)?.1)
    }

    /// The value that is made of such descriptors.
    pub(super) fn value_of<T>(&mut self, descriptors: &[BorrowedFd<'_>]) -> io::Result<T>
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let bridge = self.bridge()?;
        let back = bridge.back.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let socket = bridge.back_end.as_fd();
        if let Err(error) = send_message(socket, &bridge.frame, descriptors, false) {
            bridge.back = Some(back);
            return Err(error);
        }
        let back = back.to::<T>();
        // Should this panic, the next one builds a new bridge.
        let value = back
            .try_recv()
            .map_err(|error| io::Error::other(format!("{error:?}")));
        bridge.back = Some(back.to_opaque());
        value
    }

    fn bridge(&mut self) -> io::Result<&mut Bridge> {
        self.0
            .as_mut()
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl Bridge {
    fn build() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("parproc").tempdir()?;
        let path = folder.path().join("socket");
        let listener = listen(&path)?;
        let name = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        let out = IpcSender::<()>::connect(name.to_owned())?;
        let out_end = accept(&listener)?;
        drop(folder);

        out.send(()).map_err(io::Error::other)?;
        let (frame, _) = receive(&out_end)?;
        let (server, name) = IpcOneShotServer::<()>::new()?;
        let back_end = connect(name.as_ref())?;
        // The server waits for a first message.
        send_message(back_end.as_fd(), &frame, &[], false)?;
        let (back, ()) = server.accept().map_err(io::Error::other)?;
        Ok(Self {
            out: out.to_opaque(),
            out_end,
            back: Some(back.to_opaque()),
            back_end,
            frame,
        })
    }

    fn empty(&self) {
        while receive(&self.out_end).is_ok() {}
    }
}

fn receive(end: &OwnedFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; 256];
    let received = receive_message(end.as_fd(), &mut bytes, false)?;
    if received.cut {
        return Err(rustix::io::Errno::MFILE.into());
    }
    bytes.truncate(received.len);
    Ok((bytes, received.descriptors))
}
