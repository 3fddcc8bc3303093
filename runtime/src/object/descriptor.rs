//! One shared descriptor.

#![expect(
    unsafe_code,
    reason = "the header of shared memory is read and written"
)]

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::local::Local;
use super::table;
use super::tag::Tag;
use crate::sys::{Draft, Mapping, Sealed, Segment, event, is_copy, socket_pair};

/// Where the bytes of a piece of memory begin: behind its tag, and on a cache line of their own.
pub(crate) const PAYLOAD: usize = 64;

/// Bytes at the beginning of memory that can grow. With the header they are whole pages, of any size.
pub(crate) const GROWING: usize = (64 << 10) - PAYLOAD;

/// How an object is treated on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// A worker keeps it from one task to the next, until who sent it has dropped it.
    pub(crate) keep: bool,
    /// Somebody may wait through it for another process, so what names it waits behind nothing.
    pub(crate) waits: bool,
}

/// What kind of descriptor it is.
#[derive(Debug)]
enum Store {
    Memory(Segment, Arc<Mapping>),
    /// A socket, or another descriptor without memory.
    Socket(OwnedFd),
}

/// The kinds, as they are told to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Memory = 1,
    Frozen = 2,
    Growing = 3,
    Socket = 4,
    Event = 5,
    File = 6,
}

impl Kind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [
            Kind::Memory,
            Kind::Frozen,
            Kind::Growing,
            Kind::Socket,
            Kind::Event,
            Kind::File,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    fn sealed(self) -> Option<Sealed> {
        match self {
            Kind::Memory => Some(Sealed::Size),
            Kind::Frozen => Some(Sealed::Contents),
            Kind::Growing => Some(Sealed::Least),
            Kind::File => Some(Sealed::Nothing),
            Kind::Socket | Kind::Event => None,
        }
    }
}

/// Who wants to know when this process has an object no more.
pub(crate) trait Mourner: Send + Sync {
    fn dropped(&self, id: u64);
}

/// Set in workers: files come from the program then, or with its promise.
static TAKES_FILES: AtomicBool = AtomicBool::new(false);

/// Files that other processes have mapped are taken from now on.
pub(crate) fn take_files() {
    TAKES_FILES.store(true, Ordering::Relaxed);
}

/// A descriptor that processes share, known by the same id in all of them.
pub(crate) struct Object {
    id: u64,
    kind: Kind,
    flags: Flags,
    store: Store,
    /// That of memory, as it was when it was made or came: what others write there later does not make it another one.
    tag: Tag,
    local: Local,
    mourners: Mutex<Vec<Weak<dyn Mourner>>>,
}

impl Object {
    /// Memory of `len` zeroes that all who have it read and write.
    pub(crate) fn memory(tag: Tag, len: usize, flags: Flags) -> io::Result<Arc<Self>> {
        let segment = Segment::new(whole(len)?)?;
        let object = Self::new(fastrand::u64(..), Kind::Memory, flags, segment.into())?;
        Ok(table::enter(object.tagged(tag)))
    }

    /// Memory that begins with [`GROWING`] zeroes and can become more, through its
    /// [segment](Self::segment); only the beginning is mapped here.
    pub(crate) fn growing(tag: Tag, flags: Flags) -> io::Result<Arc<Self>> {
        let segment = Segment::growing(whole(GROWING)?)?;
        let object = Self::new(fastrand::u64(..), Kind::Growing, flags, segment.into())?;
        Ok(table::enter(object.tagged(tag)))
    }

    /// Memory of `len` bytes that `fill` writes and that nobody can change afterwards.
    pub(crate) fn frozen(
        tag: Tag,
        len: usize,
        flags: Flags,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Arc<Self>> {
        let mut draft = Self::draft(tag, len)?;
        fill(draft.file())?;
        Self::freeze(fastrand::u64(..), flags, draft)
    }

    /// The memory of such an object, with its header.
    pub(super) fn draft(tag: Tag, len: usize) -> io::Result<Draft> {
        let mut draft = Segment::draft(whole(len)?)?;
        let mut header = [0; PAYLOAD];
        header[..8].copy_from_slice(&tag.0.to_ne_bytes());
        draft.file().write_all(&header)?;
        Ok(draft)
    }

    /// The object, when it is written.
    pub(super) fn freeze(id: u64, flags: Flags, draft: Draft) -> io::Result<Arc<Self>> {
        let object = Self::new(id, Kind::Frozen, flags, draft.freeze()?.into())?;
        Ok(table::enter(object))
    }

    /// A file whose bytes are to be read, and which has at least one.
    ///
    /// # Safety
    /// Nobody changes the file, or makes it shorter, as long as anybody has the object.
    pub(crate) unsafe fn file(file: File, flags: Flags) -> io::Result<Arc<Self>> {
        let segment = Segment::of_file(file.into())?;
        let object = Self::new(fastrand::u64(..), Kind::File, flags, segment.into())?;
        Ok(table::enter(object))
    }

    /// The two ends of a connection that keeps messages apart.
    pub(crate) fn sockets(flags: Flags) -> io::Result<(Arc<Self>, Arc<Self>)> {
        let (a, b) = socket_pair()?;
        let end = |fd: OwnedFd| Self::new(fastrand::u64(..), Kind::Socket, flags, fd.into());
        Ok((table::enter(end(a)?), table::enter(end(b)?)))
    }

    /// A descriptor of any kind that others know how to handle.
    pub(crate) fn from_descriptor(fd: OwnedFd, flags: Flags) -> io::Result<Arc<Self>> {
        let object = Self::new(fastrand::u64(..), Kind::Socket, flags, fd.into())?;
        Ok(table::enter(object))
    }

    /// An event counter, which is readable while it is not 0.
    pub(crate) fn event(flags: Flags) -> io::Result<Arc<Self>> {
        let object = Self::new(fastrand::u64(..), Kind::Event, flags, event()?.into())?;
        Ok(table::enter(object))
    }

    /// An object that another process sent; who sent it is not trusted.
    pub(super) fn arrived(id: u64, kind: Kind, flags: Flags, fd: OwnedFd) -> io::Result<Self> {
        if kind == Kind::File && !TAKES_FILES.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a file that a worker has mapped could be made shorter by it: map it in the program",
            ));
        }
        let raw = match kind.sealed() {
            Some(sealed) => Segment::adopt(fd, sealed)?.into(),
            None => fd.into(),
        };
        Self::new(id, kind, flags, raw)
    }

    fn new(id: u64, kind: Kind, flags: Flags, raw: Raw) -> io::Result<Self> {
        let store = match raw {
            Raw::Segment(segment) => {
                let len = segment.len()?;
                if len < least(kind) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "shared memory is too short for its header",
                    ));
                }
                let mapping = match kind {
                    Kind::Frozen => segment.map_frozen()?,
                    Kind::File => segment.map(0, len, false)?,
                    Kind::Growing => segment.map(0, whole(GROWING)?, true)?,
                    _ => segment.map(0, len, true)?,
                };
                Store::Memory(segment, Arc::new(mapping))
            }
            Raw::Socket(fd) => Store::Socket(fd),
        };
        let tag = match &store {
            Store::Memory(_, mapping) if kind != Kind::File => tag_of(mapping),
            _ => Tag(0),
        };
        Ok(Self {
            id,
            kind,
            flags,
            store,
            tag,
            local: Local::default(),
            mourners: Mutex::default(),
        })
    }

    /// New memory, with its tag.
    fn tagged(mut self, tag: Tag) -> Self {
        header(self.mapping()).store(tag.0, Ordering::Relaxed);
        self.tag = tag;
        self
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.store {
            Store::Memory(segment, _) => segment.as_fd(),
            Store::Socket(fd) => fd.as_fd(),
        }
    }

    /// Fails unless it is memory with that tag, which can be written.
    pub(crate) fn check(&self, tag: Tag) -> io::Result<()> {
        let writable = matches!(self.kind, Kind::Memory | Kind::Growing);
        if writable && self.tag == tag {
            return Ok(());
        }
        Err(of_another_kind())
    }

    /// The segment of memory.
    ///
    /// # Panics
    /// For a socket: who handles memory has checked its tag, and who handles sockets asks for their
    /// descriptor.
    pub(crate) fn segment(&self) -> &Segment {
        match &self.store {
            Store::Memory(segment, _) => segment,
            Store::Socket(_) => unreachable!("a socket is no memory"),
        }
    }

    /// The mapping of memory, whose bytes begin at [`PAYLOAD`].
    ///
    /// # Panics
    /// As [`segment`](Self::segment).
    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        match &self.store {
            Store::Memory(_, mapping) => mapping,
            Store::Socket(_) => unreachable!("a socket is no memory"),
        }
    }

    /// Bytes of memory behind the header, or of a file, that are mapped; none for a socket.
    pub(crate) fn len(&self) -> usize {
        match &self.store {
            Store::Memory(_, mapping) if self.kind == Kind::File => mapping.len(),
            Store::Memory(_, mapping) => mapping.len() - PAYLOAD,
            Store::Socket(_) => 0,
        }
    }

    /// Fails unless it is frozen memory with that tag.
    pub(crate) fn check_frozen(&self, tag: Tag) -> io::Result<()> {
        if self.kind == Kind::Frozen && self.tag == tag {
            return Ok(());
        }
        Err(of_another_kind())
    }

    /// The bytes of frozen memory with that tag.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn frozen_bytes(&self, tag: Tag) -> io::Result<&[u8]> {
        self.check_frozen(tag)?;
        let start = self.mapping().at(PAYLOAD, self.len());
        // SAFETY: the bytes are mapped as long as `self` lives, and sealed: nobody can change them.
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len()) })
    }

    /// The same, whatever its tag; none if it is not frozen.
    #[cfg(feature = "mpi")]
    pub(super) fn contents(&self) -> Option<(Tag, &[u8])> {
        let bytes = self.frozen_bytes(self.tag).ok()?;
        Some((self.tag, bytes))
    }

    /// What it is, for people.
    #[cfg(feature = "mpi")]
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Memory => "a shared array, cell or lock",
            Kind::Frozen => "a shared value",
            Kind::Growing | Kind::Socket | Kind::Event => "a channel",
            Kind::File => "a mapped file",
        }
    }

    /// The bytes of a file; none if it is something else.
    pub(crate) fn file_bytes(&self) -> Option<&[u8]> {
        if self.kind != Kind::File {
            return None;
        }
        let len = self.mapping().len();
        let start = self.mapping().at(0, len);
        // SAFETY: mapped as long as `self` lives, and nobody changes it, as who mapped the file has promised.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), len) })
    }

    /// What this process knows about it besides; made when first asked for.
    ///
    /// # Errors
    /// Those of `make`, and one when the object was used as something else here before.
    pub(crate) fn local<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<&T> {
        self.local.get(make)
    }

    /// True if this process knows something about it besides, which may be a value of the user's.
    pub(crate) fn has_local(&self) -> bool {
        self.local.is_made()
    }

    /// Tells `mourner` when this process has the object no more.
    pub(crate) fn on_drop(&self, mourner: Weak<dyn Mourner>) {
        let mut mourners = self.mourners.lock().unwrap_or_else(PoisonError::into_inner);
        if mourners.len() == mourners.capacity() {
            mourners.retain(|mourner| mourner.strong_count() > 0);
        }
        mourners.push(mourner);
    }
}

// What a panic leaves behind in shared memory or in a socket is for those to say who handle it.
impl UnwindSafe for Object {}
impl RefUnwindSafe for Object {}

/// The word of memory that holds its tag.
fn header(mapping: &Mapping) -> &AtomicU64 {
    let start = mapping.at(0, 8).cast();
    // SAFETY: in bounds and aligned, since mappings begin with pages; an atomic has no invalid
    // values; alive as long as the mapping. It is only stored to before anybody else has it.
    unsafe { start.as_ref() }
}

fn tag_of(mapping: &Mapping) -> Tag {
    Tag(header(mapping).load(Ordering::Relaxed))
}

impl Drop for Object {
    fn drop(&mut self) {
        table::leave(self);
        if is_copy() {
            return;
        }
        let mourners = self
            .mourners
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for mourner in mourners.drain(..) {
            if let Some(mourner) = mourner.upgrade() {
                mourner.dropped(self.id);
            }
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("id", &format_args!("{:016x}", self.id))
            .field("kind", &self.kind)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A descriptor that is not looked into yet.
enum Raw {
    Segment(Segment),
    Socket(OwnedFd),
}

impl From<Segment> for Raw {
    fn from(segment: Segment) -> Self {
        Raw::Segment(segment)
    }
}

impl From<OwnedFd> for Raw {
    fn from(fd: OwnedFd) -> Self {
        Raw::Socket(fd)
    }
}

/// Bytes that a segment has at least.
fn least(kind: Kind) -> usize {
    match kind {
        Kind::File => 1,
        _ => PAYLOAD,
    }
}

fn of_another_kind() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a handle names a shared object of another kind",
    )
}

/// Bytes of a segment with a payload of `len`.
fn whole(len: usize) -> io::Result<usize> {
    let whole = PAYLOAD.checked_add(len);
    whole
        .filter(|whole| isize::try_from(*whole).is_ok())
        .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
