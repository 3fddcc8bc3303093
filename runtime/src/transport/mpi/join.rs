//! Enters the world of the ranks, or says why that cannot be.

use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use super::abi::{Abi, Mpich, OpenMpi};
use super::calls::{Failure, Mpi};
use super::library::{Family, Library, VARIABLE};
use super::world::World;
use crate::sys;
use crate::transport::Transport;
use crate::transport::launch::{Launch, Launcher, SWITCH};

/// Seconds until a rank whose launch does not get together gives up.
const PATIENCE: &str = "PARPROC_MPI_TIMEOUT";
const USUAL_PATIENCE: Duration = Duration::from_secs(60);

/// Why a rank cannot reach the others.
#[derive(Debug)]
pub(crate) enum JoinError {
    NoLibrary {
        launcher: Launcher,
        /// What the dynamic linker said to each name.
        tried: Vec<String>,
    },
    UnknownLibrary {
        name: String,
        version: String,
    },
    NoFunction {
        library: String,
        function: String,
    },
    /// The library cannot be reached by that launcher.
    OtherLauncher {
        launcher: Launcher,
        library: String,
        version: String,
    },
    /// What the launcher said and what the library sees are not the same.
    OtherWorld {
        launcher: Launcher,
        library: String,
        version: String,
        told: (usize, Option<usize>),
        seen: (usize, usize),
    },
    InUse,
    NoThreads {
        library: String,
    },
    Failed {
        function: &'static str,
        reason: String,
    },
}

impl From<Failure> for JoinError {
    fn from(Failure { function, reason }: Failure) -> Self {
        JoinError::Failed { function, reason }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::NoLibrary { launcher, tried } => write!(
                f,
                "this program was started by {}, but no library of MPI that goes with it can be loaded: {}. \
                 Install it on every machine, load its module, or name its file in {VARIABLE}{}; {SWITCH}=off \
                 starts the program without MPI",
                launcher.name(),
                tried.join("; "),
                match launcher {
                    Launcher::Pmi => ", or reach Open MPI with `srun --mpi=pmix`",
                    _ => "",
                }
            ),
            JoinError::UnknownLibrary { name, version } => write!(
                f,
                "`{name}` says that it is `{version}`: neither Open MPI nor of the family of MPICH. Name \
                 another one in {VARIABLE}"
            ),
            JoinError::NoFunction { library, function } => write!(
                f,
                "`{library}` has no `{function}`: it is no library of MPI 3 or later. Name another one in \
                 {VARIABLE}"
            ),
            JoinError::OtherLauncher {
                launcher,
                library,
                version,
            } => write!(
                f,
                "this program was started by {}, which `{library}` ({version}) does not understand. Start it with \
                 the launcher of that library, or take {VARIABLE} out of the environment",
                launcher.name()
            ),
            JoinError::OtherWorld {
                launcher,
                library,
                version,
                told: (rank, size),
                seen: (seen, all),
            } => {
                let size = size.map_or_else(|| "?".to_owned(), |size| size.to_string());
                write!(
                    f,
                    "{} started this as rank {rank} of {size}, but for `{library}` ({version}) it is rank {seen} of \
                     {all}: the library and the launcher are not of the same MPI. Use the launcher that \
                     belongs to the library, or name the library that belongs to the launcher in {VARIABLE}",
                    launcher.name()
                )
            }
            JoinError::InUse => f.write_str(
                "something in this program has initialised MPI before, which can be done once only",
            ),
            JoinError::NoThreads { library } => write!(
                f,
                "`{library}` cannot be used in a program with threads (MPI_THREAD_FUNNELED). Name another one in \
                 {VARIABLE}"
            ),
            JoinError::Failed { function, reason } => {
                write!(f, "MPI does not work here: {function} failed: {reason}")
            }
        }
    }
}

/// Enters the world of a launch. All ranks do, and it returns when all have.
///
/// The thread that calls it is the one that the transport then belongs to. A launch that never gets
/// together, since another rank runs another program, ends this process after a time, with what to do on
/// standard error: MPI has no way to give up.
pub(crate) fn join(launch: &Launch) -> Result<Box<dyn Transport>, JoinError> {
    // Those of MPI, and of libraries that it loads, print a trace, and would hide faults from who is there to
    // see them.
    let faults = sys::FaultHandlers::keep();
    let joined = load_and_enter(launch);
    faults.restore();
    joined
}

fn load_and_enter(launch: &Launch) -> Result<Box<dyn Transport>, JoinError> {
    let library = Library::load(launch.launcher)?;
    let foreign = match launch.launcher {
        Launcher::OpenMpi => library.family != Family::OpenMpi,
        Launcher::Hydra => library.family != Family::Mpich,
        Launcher::Pmix | Launcher::Pmi => false,
    };
    if foreign {
        return Err(JoinError::OtherLauncher {
            launcher: launch.launcher,
            library: library.name,
            version: library.version,
        });
    }
    match library.family {
        Family::OpenMpi => enter::<OpenMpi>(&library, launch),
        Family::Mpich => enter::<Mpich>(&library, launch),
    }
}

fn enter<A: Abi>(library: &Library, launch: &Launch) -> Result<Box<dyn Transport>, JoinError> {
    let _watch = watch(launch, library);
    let mut mpi = Mpi::<A>::start(library)?;
    let told = (launch.rank, launch.size);
    if mpi.rank != launch.rank || mpi.size < 2 || launch.size.is_some_and(|size| mpi.size != size) {
        return Err(JoinError::OtherWorld {
            launcher: launch.launcher,
            library: library.name.clone(),
            version: library.version.clone(),
            told,
            seen: (mpi.rank, mpi.size),
        });
    }
    mpi.keep_apart()?;
    Ok(Box::new(World::new(mpi)))
}

/// Ends the process with a message unless the result is dropped in time.
fn watch(launch: &Launch, library: &Library) -> Option<mpsc::Sender<()>> {
    let (joined, end) = mpsc::channel::<()>();
    let patience = patience(std::env::var(PATIENCE).ok().as_deref());
    let message = format!(
        "parproc: rank {} of {} waited {} s for the other ranks, in vain ({} under {}). All ranks must run this \
         same program, with the same library of MPI. {PATIENCE} sets how many seconds to wait, {SWITCH}=off starts \
         the program without MPI\n",
        launch.rank,
        launch
            .size
            .map_or_else(|| "?".to_owned(), |size| size.to_string()),
        patience.as_secs_f64(),
        library.version,
        launch.launcher.name(),
    );
    let body = move || {
        if end.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprint!("{message}");
            sys::end_at_once(1);
        }
    };
    // Without the thread the launch is as good as ever, but for its patience.
    sys::spawn_quiet("parproc-mpi", body).ok()?;
    Some(joined)
}

fn patience(seconds: Option<&str>) -> Duration {
    let seconds = seconds.and_then(|text| text.parse::<f64>().ok());
    let given = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    given
        .filter(|given| !given.is_zero())
        .unwrap_or(USUAL_PATIENCE)
}
