//! Pairs of connected sockets, and descriptors that travel through them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use super::notify::{Wait, wait_on};

/// The kernel takes 253 descriptors in one message (`SCM_MAX_FD`).
pub(crate) const MOST_DESCRIPTORS: usize = 250;

const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS));

/// Two ends that keep messages apart; each end learns when nobody has the other one any more.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message with descriptors, at most [`MOST_DESCRIPTORS`]. Without `wait` a full socket is an
/// error of the kind `WouldBlock`; too many descriptors on their way, in all sockets of the user, are
/// one always (`ETOOMANYREFS`).
pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one message",
        ));
    }
    let mut flags = SendFlags::NOSIGNAL;
    if !wait {
        flags |= SendFlags::DONTWAIT;
    }
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Received {
    /// 0 when the other end is gone: messages are never empty.
    pub(crate) len: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Some descriptors, or bytes, found no room here and are lost.
    pub(crate) cut: bool,
}

/// Receives one message without waiting for it; `peek` leaves it there.
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    peek: bool,
) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    if peek {
        flags |= RecvFlags::PEEK;
    }
    let message = loop {
        match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(message) => break message,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut descriptors = Vec::new();
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = received {
            descriptors.extend(received);
        }
    }
    let lost = ReturnFlags::CTRUNC | ReturnFlags::TRUNC;
    Ok(Received {
        len: message.bytes,
        descriptors,
        cut: message.flags.intersects(lost),
    })
}

/// A socket that others can connect to by the name of a file.
pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = unconnected()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 1)?;
    Ok(socket)
}

/// The other end of a connection that was made before.
pub(crate) fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?)
}

/// Connects to who listens.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = unconnected()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn unconnected() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Takes a message without waiting for it and forgets it, descriptors included; gives its length, 0 when
/// the other end is gone.
pub(crate) fn drop_message(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes = [0_u8; 1];
    loop {
        match rustix::net::recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((len, _)) => return Ok(len),
            Err(Errno::INTR) => {}
            // Somebody had not read all when the other end went.
            Err(Errno::CONNRESET) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// True when nobody has the other end any more.
pub(crate) fn is_hung_up(socket: BorrowedFd<'_>) -> bool {
    let wait = Wait::for_end(socket);
    wait_on(&[wait], Some(Duration::ZERO)).is_ok_and(|found| found[0].hung_up)
}
