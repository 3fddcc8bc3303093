//! Finds the library of MPI that goes with the launcher, and its functions.

#![expect(
    unsafe_code,
    reason = "a library is loaded, and its symbols are given the types of the C header"
)]

use std::ffi::{OsStr, OsString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;

use libloading::os::unix::{Library as Handle, RTLD_GLOBAL, RTLD_NOW};

use super::abi::{Abi, Functions, SUCCESS, VERSION_BYTES};
use super::join::JoinError;
use crate::transport::launch::Launcher;

/// The file of the library to be loaded, where the usual ones are not it.
pub(super) const VARIABLE: &str = "PARPROC_MPI_LIBRARY";

/// As the dynamic linker finds them. The number is that of the binary interface.
const OPEN_MPI: &[&str] = &["libmpi.so.40"];
const MPICH: &[&str] = &["libmpich.so.12", "libmpi.so.12"];
/// Packages for who compiles against it, which may be either.
const ANY: &[&str] = &["libmpich.so", "libmpi.so"];

/// A loaded library. It stays until the process ends: MPI cannot be unloaded.
#[derive(Debug)]
pub(super) struct Library {
    handle: ManuallyDrop<Handle>,
    pub(super) name: String,
    /// What it says about itself, its first line.
    pub(super) version: String,
    pub(super) family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    OpenMpi,
    Mpich,
}

impl Library {
    /// Loads the library that goes with a launcher, or the one that the variable names.
    pub(super) fn load(launcher: Launcher) -> Result<Self, JoinError> {
        let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let mut tried = Vec::new();
        for name in candidates(named, launcher) {
            // SAFETY: the libraries of these names have initialisers that are made to run when they are
            // loaded. What the user names is the user's to answer for.
            match unsafe { Handle::open(Some(&name), RTLD_NOW | RTLD_GLOBAL) } {
                Ok(handle) => return Self::recognised(handle, &name),
                Err(error) => tried.push(innermost(&error)),
            }
        }
        Err(JoinError::NoLibrary { launcher, tried })
    }

    fn recognised(handle: Handle, name: &OsStr) -> Result<Self, JoinError> {
        let name = name.to_string_lossy().into_owned();
        let mut library = Self {
            handle: ManuallyDrop::new(handle),
            name,
            version: String::new(),
            family: Family::Mpich,
        };
        library.version = library.ask_version()?;
        let has = |symbol| library.address(symbol).is_ok();
        library.family = if has("ompi_mpi_comm_world") {
            Family::OpenMpi
        } else if ["MPICH", "Intel", "MVAPICH", "ParaStation"]
            .iter()
            .any(|family| library.version.contains(family))
        {
            Family::Mpich
        } else {
            let Self { name, version, .. } = library;
            return Err(JoinError::UnknownLibrary { name, version });
        };
        Ok(library)
    }

    fn ask_version(&self) -> Result<String, JoinError> {
        type Ask = unsafe extern "C" fn(*mut c_char, *mut c_int) -> c_int;
        // SAFETY: the type is that of the C header.
        let ask: Ask = unsafe { self.function("MPI_Get_library_version") }?;
        let mut text = vec![0_u8; VERSION_BYTES];
        let mut length = 0;
        // SAFETY: the function may be called before MPI is initialised; it writes less than there is room.
        let result = unsafe { ask(text.as_mut_ptr().cast(), &raw mut length) };
        if result != SUCCESS {
            text.clear();
        }
        let length = usize::try_from(length).unwrap_or(0).min(text.len());
        let text = String::from_utf8_lossy(&text[..length]);
        let line = text.split(['\n', ',', '\0']).next().unwrap_or_default();
        Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The functions of a library whose family has that interface.
    pub(super) fn functions<A: Abi>(&self) -> Result<Functions<A>, JoinError> {
        macro_rules! functions {
            ($($field:ident: $name:literal,)*) => {
                Functions {
                    $($field: {
                        // SAFETY: the type is that of the C header of this family.
                        unsafe { self.function($name) }?
                    },)*
                }
            };
        }
        Ok(functions! {
            initialized: "MPI_Initialized",
            init_thread: "MPI_Init_thread",
            finalize: "MPI_Finalize",
            error_string: "MPI_Error_string",
            comm_rank: "MPI_Comm_rank",
            comm_size: "MPI_Comm_size",
            comm_dup: "MPI_Comm_dup",
            comm_set_errhandler: "MPI_Comm_set_errhandler",
            isend: "MPI_Isend",
            irecv: "MPI_Irecv",
            iprobe: "MPI_Iprobe",
            test: "MPI_Test",
            get_count: "MPI_Get_count",
            ibcast: "MPI_Ibcast",
            ibarrier: "MPI_Ibarrier",
        })
    }

    /// Where a symbol is.
    pub(super) fn address(&self, name: &str) -> Result<*mut c_void, JoinError> {
        // SAFETY: as an address a symbol has no wrong type.
        unsafe { self.function(name) }
    }

    /// # Safety
    ///
    /// `T` is the type of a pointer to what the symbol stands for.
    unsafe fn function<T: Copy>(&self, name: &str) -> Result<T, JoinError> {
        // SAFETY: the caller answers for the type, and the library is never unloaded.
        let symbol = unsafe { self.handle.get::<T>(name.as_bytes()) };
        symbol
            .map(|symbol| *symbol)
            .map_err(|_| JoinError::NoFunction {
                library: self.name.clone(),
                function: name.to_owned(),
            })
    }
}

fn candidates(named: Option<OsString>, launcher: Launcher) -> Vec<OsString> {
    if let Some(named) = named {
        return vec![named];
    }
    let names: &[&[&str]] = match launcher {
        Launcher::OpenMpi => &[OPEN_MPI, &["libmpi.so"]],
        Launcher::Hydra => &[MPICH, ANY],
        Launcher::Pmix => &[OPEN_MPI, MPICH, ANY],
        // Open MPI would end the process: it is rarely built for this.
        Launcher::Pmi => &[MPICH, &["libmpich.so"]],
    };
    names.concat().into_iter().map(OsString::from).collect()
}

/// What the dynamic linker said.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
