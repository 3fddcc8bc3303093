//! The calls of MPI that are needed, made safe: memory belongs to MPI for as long as a transfer is under way.

#![expect(
    unsafe_code,
    reason = "functions of a C library are called, some of which keep a pointer for later"
)]

use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use super::abi::{
    ANY_TAG, Abi, Constants, ERROR_BYTES, Functions, SUCCESS, Status, THREAD_FUNNELED,
};
use super::join::JoinError;
use super::library::Library;

/// So often a probe has to ask to be told of what has come: both libraries answer first, and look then.
const PROBES: usize = 2;

/// The library, initialised by this thread, which alone may use it.
pub(super) struct Mpi<A: Abi> {
    functions: Functions<A>,
    constants: Constants<A::Handle>,
    /// Messages from one rank to another.
    talk: A::Handle,
    /// What all take part in.
    all: A::Handle,
    pub(super) rank: usize,
    pub(super) size: usize,
    one_thread: PhantomData<*mut ()>,
}

/// A call of MPI that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) function: &'static str,
    pub(super) reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.function, self.reason)
    }
}

impl std::error::Error for Failure {}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    Own(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Bytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

/// A message that waits to be received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) from: usize,
    pub(super) tag: c_int,
    pub(super) bytes: usize,
}

/// A transfer and its memory. If it is dropped while it is under way, the memory is not freed: MPI may use
/// it at any time.
struct Transfer<A: Abi, B> {
    /// None when it is over.
    request: Option<A::Handle>,
    memory: ManuallyDrop<B>,
}

impl<A: Abi, B> Drop for Transfer<A, B> {
    fn drop(&mut self) {
        if self.request.is_none() {
            // SAFETY: dropped once, here, and MPI has done with it.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

/// A message on its way to another rank, or to all.
pub(super) struct Sending<A: Abi>(Transfer<A, Bytes>);

/// A message on its way here.
pub(super) struct Receiving<A: Abi> {
    transfer: Transfer<A, Vec<u8>>,
    /// How long it is, where it does not say so itself.
    bytes: Option<usize>,
}

impl<A: Abi> Sending<A> {
    pub(super) fn bytes(&self) -> usize {
        self.0.memory.as_slice().len()
    }

    /// True when the memory is not needed any more. After a failure it is abandoned.
    pub(super) fn is_over(&mut self, mpi: &Mpi<A>) -> Result<bool, Failure> {
        Ok(mpi.test(&mut self.0)?.is_some())
    }

    /// Its memory, if it is over and nobody else has that.
    pub(super) fn into_memory(mut self) -> Option<Vec<u8>> {
        if self.0.request.is_some() {
            return None;
        }
        match std::mem::replace(&mut *self.0.memory, Bytes::Own(Vec::new())) {
            Bytes::Own(memory) => Some(memory),
            Bytes::Shared(_) => None,
        }
    }
}

impl<A: Abi> Receiving<A> {
    /// The message, once it is there. After a failure it never is.
    pub(super) fn message(&mut self, mpi: &Mpi<A>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(status) = mpi.test(&mut self.transfer)? else {
            return Ok(None);
        };
        let bytes = match self.bytes {
            Some(bytes) => bytes,
            None => mpi.count(&status)?,
        };
        let mut message = std::mem::take(&mut *self.transfer.memory);
        if bytes > message.capacity() {
            return Err(Failure {
                function: "MPI_Test",
                reason: format!("{bytes} bytes are more than were asked for"),
            });
        }
        // SAFETY: MPI has written so many bytes, and there is room for them.
        unsafe { message.set_len(bytes) };
        Ok(Some(message))
    }
}

impl<A: Abi> Mpi<A> {
    /// Initialises the library and enters the world. Returns only when all ranks do.
    pub(super) fn start(library: &Library) -> Result<Self, JoinError> {
        let functions = library.functions::<A>()?;
        let mut initialised = 0;
        // SAFETY: may be called at any time, and writes one number.
        let asked = unsafe { (functions.initialized)(&raw mut initialised) };
        if asked == SUCCESS && initialised != 0 {
            return Err(JoinError::InUse);
        }
        let constants = A::constants(|name| library.address(name))?;
        let mut mpi = Self {
            functions,
            constants,
            talk: constants.world,
            all: constants.world,
            rank: 0,
            size: 0,
            one_thread: PhantomData,
        };
        let mut level = 0;
        // SAFETY: MPI is not initialised yet; it may be told no arguments.
        let result = unsafe {
            (mpi.functions.init_thread)(
                ptr::null_mut(),
                ptr::null_mut(),
                THREAD_FUNNELED,
                &raw mut level,
            )
        };
        mpi.check("MPI_Init_thread", result)?;
        // SAFETY: both handles are those of the library. Duplicates inherit the handler.
        let result =
            unsafe { (mpi.functions.comm_set_errhandler)(mpi.talk, constants.errors_return) };
        mpi.check("MPI_Comm_set_errhandler", result)?;
        let (mut rank, mut size) = (0, 0);
        // SAFETY: writes one number.
        let result = unsafe { (mpi.functions.comm_rank)(mpi.talk, &raw mut rank) };
        mpi.check("MPI_Comm_rank", result)?;
        // SAFETY: writes one number.
        let result = unsafe { (mpi.functions.comm_size)(mpi.talk, &raw mut size) };
        mpi.check("MPI_Comm_size", result)?;
        mpi.rank = usize::try_from(rank).unwrap_or(usize::MAX);
        mpi.size = usize::try_from(size).unwrap_or(0);
        if level < THREAD_FUNNELED {
            return Err(JoinError::NoThreads {
                library: library.name.clone(),
            });
        }
        Ok(mpi)
    }

    /// Has messages kept apart from those of whoever else uses MPI. Returns only when all ranks do.
    pub(super) fn keep_apart(&mut self) -> Result<(), Failure> {
        let duplicate = || {
            let mut own = self.constants.none;
            // SAFETY: writes one handle.
            let result = unsafe { (self.functions.comm_dup)(self.constants.world, &raw mut own) };
            self.check("MPI_Comm_dup", result).map(|()| own)
        };
        let (talk, all) = (duplicate()?, duplicate()?);
        (self.talk, self.all) = (talk, all);
        Ok(())
    }

    pub(super) fn send(&self, to: usize, tag: c_int, bytes: Bytes) -> Result<Sending<A>, Failure> {
        let memory = bytes.as_slice();
        let (start, count) = (memory.as_ptr(), number(memory.len()));
        let mut request = self.constants.none;
        // SAFETY: the memory neither moves nor is freed before the request is over: it is that of a vector
        // or of a shared slice, which the transfer owns and only lends for reading.
        let result = unsafe {
            (self.functions.isend)(
                start.cast(),
                count,
                self.constants.byte,
                number(to),
                tag,
                self.talk,
                &raw mut request,
            )
        };
        self.check("MPI_Isend", result)?;
        Ok(Sending(transfer(request, bytes)))
    }

    /// The next message that waits, from anyone.
    pub(super) fn probe(&self) -> Result<Option<Waiting>, Failure> {
        for _ in 0..PROBES {
            let waiting = self.probe_once()?;
            if waiting.is_some() {
                return Ok(waiting);
            }
        }
        Ok(None)
    }

    fn probe_once(&self) -> Result<Option<Waiting>, Failure> {
        let (mut found, mut status) = (0, A::Status::default());
        // SAFETY: writes one number and one status.
        let result = unsafe {
            (self.functions.iprobe)(
                A::ANY_SOURCE,
                ANY_TAG,
                self.talk,
                &raw mut found,
                &raw mut status,
            )
        };
        self.check("MPI_Iprobe", result)?;
        if found == 0 {
            return Ok(None);
        }
        Ok(Some(Waiting {
            from: usize::try_from(status.source()).unwrap_or(usize::MAX),
            tag: status.tag(),
            bytes: self.count(&status)?,
        }))
    }

    /// Receives it into `memory`, whatever that holds.
    pub(super) fn receive(
        &self,
        waiting: Waiting,
        mut memory: Vec<u8>,
    ) -> Result<Receiving<A>, Failure> {
        memory.clear();
        memory.reserve(waiting.bytes);
        let start: *mut c_void = memory.as_mut_ptr().cast();
        let mut request = self.constants.none;
        // SAFETY: the memory has room for so many bytes, and neither moves nor is freed before the request is
        // over: it is that of a vector, which the transfer owns and does not touch.
        let result = unsafe {
            (self.functions.irecv)(
                start,
                number(waiting.bytes),
                self.constants.byte,
                number(waiting.from),
                waiting.tag,
                self.talk,
                &raw mut request,
            )
        };
        self.check("MPI_Irecv", result)?;
        Ok(Receiving {
            transfer: transfer(request, memory),
            bytes: None,
        })
    }

    /// Has rank 0 send to all. All take part in the same order, and know how many bytes it is.
    pub(super) fn send_to_all(&self, bytes: Bytes) -> Result<Sending<A>, Failure> {
        let memory = bytes.as_slice();
        let request = self.broadcast(memory.as_ptr().cast_mut().cast(), memory.len())?;
        Ok(Sending(transfer(request, bytes)))
    }

    /// As [`receive`](Self::receive), so many bytes.
    pub(super) fn receive_as_all(
        &self,
        bytes: usize,
        mut memory: Vec<u8>,
    ) -> Result<Receiving<A>, Failure> {
        memory.clear();
        memory.reserve(bytes);
        let request = self.broadcast(memory.as_mut_ptr().cast(), bytes)?;
        Ok(Receiving {
            transfer: transfer(request, memory),
            bytes: Some(bytes),
        })
    }

    fn broadcast(&self, start: *mut c_void, bytes: usize) -> Result<A::Handle, Failure> {
        const ROOT: c_int = 0;
        let mut request = self.constants.none;
        // SAFETY: the memory is that of a vector or a shared slice, which the transfer owns until the request
        // is over. That of rank 0 is only read, that of the others is only written.
        let result = unsafe {
            (self.functions.ibcast)(
                start,
                number(bytes),
                self.constants.byte,
                ROOT,
                self.all,
                &raw mut request,
            )
        };
        self.check("MPI_Ibcast", result)?;
        Ok(request)
    }

    /// What is over when all ranks have begun it.
    pub(super) fn meet(&self) -> Result<Sending<A>, Failure> {
        let mut request = self.constants.none;
        // SAFETY: writes one handle.
        let result = unsafe { (self.functions.ibarrier)(self.all, &raw mut request) };
        self.check("MPI_Ibarrier", result)?;
        Ok(Sending(transfer(request, Bytes::Own(Vec::new()))))
    }

    /// Leaves the world, when all ranks do.
    pub(super) fn finalize(self) -> Result<(), Failure> {
        // SAFETY: MPI is initialised, by this thread, and nobody can use it any more.
        let result = unsafe { (self.functions.finalize)() };
        if result == SUCCESS {
            return Ok(());
        }
        // What the number means can hardly be asked any more.
        Err(Failure {
            function: "MPI_Finalize",
            reason: format!("error {result}"),
        })
    }

    fn test<B>(&self, transfer: &mut Transfer<A, B>) -> Result<Option<A::Status>, Failure> {
        let mut status = A::Status::default();
        let Some(request) = &mut transfer.request else {
            return Ok(Some(status));
        };
        let mut over = 0;
        // SAFETY: the request is under way; it is not asked again when it is over.
        let result = unsafe {
            (self.functions.test)(ptr::from_mut(request), &raw mut over, &raw mut status)
        };
        self.check("MPI_Test", result)?;
        if over == 0 {
            return Ok(None);
        }
        transfer.request = None;
        Ok(Some(status))
    }

    fn count(&self, status: &A::Status) -> Result<usize, Failure> {
        let mut count = 0;
        // SAFETY: the status was written by MPI.
        let result = unsafe {
            (self.functions.get_count)(ptr::from_ref(status), self.constants.byte, &raw mut count)
        };
        self.check("MPI_Get_count", result)?;
        usize::try_from(count).map_err(|_| Failure {
            function: "MPI_Get_count",
            reason: format!("a message of {count} bytes"),
        })
    }

    fn check(&self, function: &'static str, result: c_int) -> Result<(), Failure> {
        if result == SUCCESS {
            return Ok(());
        }
        Err(self.failure(function, result))
    }

    #[cold]
    fn failure(&self, function: &'static str, result: c_int) -> Failure {
        let mut text = [0_u8; ERROR_BYTES];
        let mut length = 0;
        // SAFETY: writes no more than the longest text of an error.
        let asked = unsafe {
            (self.functions.error_string)(result, text.as_mut_ptr().cast(), &raw mut length)
        };
        let length = usize::try_from(length).unwrap_or(0).min(text.len());
        let reason = match asked {
            SUCCESS => String::from_utf8_lossy(&text[..length]).trim().to_owned(),
            _ => format!("error {result}"),
        };
        Failure { function, reason }
    }
}

fn transfer<A: Abi, B>(request: A::Handle, memory: B) -> Transfer<A, B> {
    Transfer {
        request: Some(request),
        memory: ManuallyDrop::new(memory),
    }
}

/// As MPI counts. Messages and ranks are far fewer than there are such numbers.
fn number(count: usize) -> c_int {
    c_int::try_from(count).expect("what is sent is in pieces")
}
