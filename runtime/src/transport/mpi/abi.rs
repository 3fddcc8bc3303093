//! The two binary interfaces of MPI: what handles, statuses and constants are in each.

use std::ffi::{c_char, c_int, c_void};
use std::fmt::Debug;

/// What differs between the libraries.
pub(super) trait Abi: Sized + 'static {
    /// A communicator, a type of data, a handler of errors or a request.
    type Handle: Copy + Debug;
    type Status: Status;
    const ANY_SOURCE: c_int;

    /// What handles of things that always exist are, by a way to the addresses of the library's symbols.
    fn constants<E>(
        address: impl FnMut(&str) -> Result<*mut c_void, E>,
    ) -> Result<Constants<Self::Handle>, E>;
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Constants<H> {
    pub(super) world: H,
    pub(super) byte: H,
    pub(super) errors_return: H,
    /// What a handle is before a call sets it.
    pub(super) none: H,
}

/// What a receipt tells.
pub(super) trait Status: Copy + Default + Debug {
    fn source(&self) -> c_int;
    fn tag(&self) -> c_int;
}

pub(super) const SUCCESS: c_int = 0;
pub(super) const ANY_TAG: c_int = -1;
pub(super) const THREAD_FUNNELED: c_int = 1;
/// No text of an error is longer: 256 bytes in Open MPI, 512 in MPICH.
pub(super) const ERROR_BYTES: usize = 1024;
/// No text about a version is longer: 256 bytes in Open MPI, 8192 in MPICH.
pub(super) const VERSION_BYTES: usize = 8192;

/// Open MPI: a handle is the address of what it stands for. See its `mpi.h`.
#[derive(Debug)]
pub(super) enum OpenMpi {}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct OpenMpiStatus {
    source: c_int,
    tag: c_int,
    error: c_int,
    cancelled: c_int,
    count: usize,
}

impl Abi for OpenMpi {
    type Handle = *mut c_void;
    type Status = OpenMpiStatus;
    const ANY_SOURCE: c_int = -1;

    fn constants<E>(
        mut address: impl FnMut(&str) -> Result<*mut c_void, E>,
    ) -> Result<Constants<Self::Handle>, E> {
        Ok(Constants {
            world: address("ompi_mpi_comm_world")?,
            byte: address("ompi_mpi_byte")?,
            errors_return: address("ompi_mpi_errors_return")?,
            none: std::ptr::null_mut(),
        })
    }
}

impl Status for OpenMpiStatus {
    fn source(&self) -> c_int {
        self.source
    }

    fn tag(&self) -> c_int {
        self.tag
    }
}

/// MPICH and what keeps to its interface, <https://www.mpich.org/abi/>: a handle is a number. See its
/// `mpi.h`.
#[derive(Debug)]
pub(super) enum Mpich {}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct MpichStatus {
    count_low: c_int,
    count_high_and_cancelled: c_int,
    source: c_int,
    tag: c_int,
    error: c_int,
}

impl Abi for Mpich {
    type Handle = c_int;
    type Status = MpichStatus;
    const ANY_SOURCE: c_int = -2;

    fn constants<E>(
        _: impl FnMut(&str) -> Result<*mut c_void, E>,
    ) -> Result<Constants<Self::Handle>, E> {
        Ok(Constants {
            world: 0x4400_0000,
            byte: 0x4c00_010d,
            errors_return: 0x5400_0001,
            none: 0,
        })
    }
}

impl Status for MpichStatus {
    fn source(&self) -> c_int {
        self.source
    }

    fn tag(&self) -> c_int {
        self.tag
    }
}

/// The functions, as the C headers of both declare them.
pub(super) struct Functions<A: Abi> {
    pub(super) initialized: unsafe extern "C" fn(*mut c_int) -> c_int,
    pub(super) init_thread:
        unsafe extern "C" fn(*mut c_int, *mut *mut *mut c_char, c_int, *mut c_int) -> c_int,
    pub(super) finalize: unsafe extern "C" fn() -> c_int,
    pub(super) error_string: unsafe extern "C" fn(c_int, *mut c_char, *mut c_int) -> c_int,
    pub(super) comm_rank: unsafe extern "C" fn(A::Handle, *mut c_int) -> c_int,
    pub(super) comm_size: unsafe extern "C" fn(A::Handle, *mut c_int) -> c_int,
    pub(super) comm_dup: unsafe extern "C" fn(A::Handle, *mut A::Handle) -> c_int,
    pub(super) comm_set_errhandler: unsafe extern "C" fn(A::Handle, A::Handle) -> c_int,
    pub(super) isend: unsafe extern "C" fn(
        *const c_void,
        c_int,
        A::Handle,
        c_int,
        c_int,
        A::Handle,
        *mut A::Handle,
    ) -> c_int,
    pub(super) irecv: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        A::Handle,
        c_int,
        c_int,
        A::Handle,
        *mut A::Handle,
    ) -> c_int,
    pub(super) iprobe:
        unsafe extern "C" fn(c_int, c_int, A::Handle, *mut c_int, *mut A::Status) -> c_int,
    pub(super) test: unsafe extern "C" fn(*mut A::Handle, *mut c_int, *mut A::Status) -> c_int,
    pub(super) get_count: unsafe extern "C" fn(*const A::Status, A::Handle, *mut c_int) -> c_int,
    pub(super) ibcast: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        A::Handle,
        c_int,
        A::Handle,
        *mut A::Handle,
    ) -> c_int,
    pub(super) ibarrier: unsafe extern "C" fn(A::Handle, *mut A::Handle) -> c_int,
}
