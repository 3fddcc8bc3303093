//! Which rank of which launch this process is, as its environment tells before MPI is asked.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;

/// Turns the way to other ranks off, with the value `off` or `0`.
pub(crate) const SWITCH: &str = "PARPROC_MPI";

/// Set by a rank in itself: which process it is, of which launch. Processes that inherit it are no ranks.
const MARKER: &str = "PARPROC_RANK";

/// How Open MPI transfers over TCP.
const TCP_FLAGS: &str = "OMPI_MCA_btl_tcp_flags";
/// Its usual value but for `put`.
const TCP_WITHOUT_PUT: &str = "send,inplace,need-ack,need-csum,hetero-rdma";

/// How a process was started by a launcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) rank: usize,
    /// How many ranks there are, where that is told.
    pub(crate) size: Option<usize>,
    pub(crate) place: Option<Place>,
    pub(crate) launcher: Launcher,
    /// What no other rank on this machine has.
    identity: String,
}

/// Where a rank stands among those of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rank: usize,
    pub(crate) size: usize,
}

/// What started the ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launcher {
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// `mpirun` of MPICH and of what comes from it.
    Hydra,
    /// Another one that speaks PMIx, such as `srun --mpi=pmix`.
    Pmix,
    /// Another one that speaks PMI, such as `srun --mpi=pmi2`.
    Pmi,
}

impl Launcher {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Launcher::OpenMpi => "mpirun of Open MPI",
            Launcher::Hydra => "mpirun of MPICH",
            Launcher::Pmix => "a launcher that speaks PMIx",
            Launcher::Pmi => "a launcher that speaks PMI",
        }
    }
}

impl Launch {
    /// How this process was launched; none if it is one of its own, or was started by a rank.
    pub(crate) fn detect() -> Option<Self> {
        Self::read(
            &|name| std::env::var_os(name),
            &socket_number,
            std::process::id(),
        )
    }

    /// As [`detect`](Launch::detect), of a process with these variables, sockets and id.
    fn read(
        variable: &dyn Fn(&str) -> Option<OsString>,
        socket: &dyn Fn(RawFd) -> Option<u64>,
        pid: u32,
    ) -> Option<Self> {
        let text = |name: &str| variable(name)?.into_string().ok();
        let number = |name: &str| text(name)?.parse::<usize>().ok();
        if text(SWITCH).is_some_and(|value| ["off", "0"].contains(&value.as_str())) {
            return None;
        }
        let place = |rank: &str, size: &str| {
            let (rank, size) = (number(rank)?, number(size)?);
            (rank < size).then_some(Place { rank, size })
        };
        let tasks = || number("SLURM_STEP_NUM_TASKS").or_else(|| number("SLURM_NTASKS"));
        let of_slurm = || {
            let rank = number("SLURM_LOCALID")?;
            let counts = text("SLURM_STEP_TASKS_PER_NODE")?;
            let size = nth_count(&counts, number("SLURM_NODEID")?)?;
            (rank < size).then_some(Place { rank, size })
        };
        let namespace = || text("PMIX_NAMESPACE").unwrap_or_default();
        let launch = if let Some(rank) = number("OMPI_COMM_WORLD_RANK") {
            Self {
                rank,
                size: number("OMPI_COMM_WORLD_SIZE"),
                place: place("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
                launcher: Launcher::OpenMpi,
                identity: format!("pmix.{}.{rank}", namespace()),
            }
        } else if let Some(rank) = number("PMIX_RANK") {
            Self {
                rank,
                size: tasks(),
                place: of_slurm(),
                launcher: Launcher::Pmix,
                identity: format!("pmix.{}.{rank}", namespace()),
            }
        } else {
            let rank = number("PMI_RANK")?;
            let of_hydra = place("MPI_LOCALRANKID", "MPI_LOCALNRANKS");
            let hydra = of_hydra.is_some() || variable("HYDI_CONTROL_FD").is_some();
            let identity = match text("PMI_FD") {
                // The launcher's end of the socket is for one process: one without it is none of its own.
                Some(fd) => format!("pmi.{}.{rank}", socket(fd.parse().ok()?)?),
                None => format!("pmi.{}.{rank}", text("PMI_PORT").unwrap_or_default()),
            };
            Self {
                rank,
                size: number("PMI_SIZE").or_else(tasks),
                // In a job of Slurm the launcher is a step with one task a node, whatever its ranks are.
                place: if hydra { of_hydra } else { of_slurm() },
                launcher: if hydra {
                    Launcher::Hydra
                } else {
                    Launcher::Pmi
                },
                identity,
            }
        };
        let inherited = text(MARKER).is_some_and(|marker| {
            let marked = marker.split_once(' ');
            marked.is_some_and(|(marked, identity)| {
                identity == launch.identity && marked != pid.to_string()
            })
        });
        let alone = launch.size == Some(1);
        let valid = launch.size.is_none_or(|size| launch.rank < size);
        (!inherited && !alone && valid).then_some(launch)
    }

    /// True if the launcher is known to let the other ranks go on when one has ended.
    pub(crate) fn outlives_ranks(&self) -> bool {
        // As `mpirun --enable-recovery` sets it.
        let recovery = std::env::var("OMPI_MCA_orte_enable_recovery");
        self.launcher == Launcher::OpenMpi
            && recovery.is_ok_and(|value| ["1", "true", "yes"].contains(&value.as_str()))
    }

    /// Variables and their values, which a rank sets in itself before it has threads.
    ///
    /// What it starts inherits the variables of the launcher too, and is told by one of these that they are not
    /// meant for it. The ranks of a launcher that it starts have an identity of their own, and so are ranks.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        self.variables_beside(&|name| std::env::var_os(name))
    }

    fn variables_beside(
        &self,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Vec<(&'static str, String)> {
        let marker = format!("{} {}", std::process::id(), self.identity);
        let mut variables = vec![(MARKER, marker)];
        // Where ranks are to outlive another one. Open MPI 4.1 waits for itself for ever when such a transfer to a
        // dead rank fails: `mca_btl_tcp_endpoint_close` holds a lock that `mca_pml_ob1_send_fin` takes.
        let told = |name| variable(name).is_some_and(|value| value != "0");
        if told("OMPI_MCA_orte_enable_recovery") && variable(TCP_FLAGS).is_none() {
            variables.push((TCP_FLAGS, TCP_WITHOUT_PUT.to_owned()));
        }
        variables
    }
}

/// True for variables that tell a process that it is a rank, and how it reaches its launcher. With them an
/// MPI program that is no rank would disturb the ranks when it starts. Those that tell about a job of Slurm
/// are not among them.
pub(crate) fn is_of_launcher(name: &OsStr) -> bool {
    const PREFIXES: [&str; 7] = [
        "OMPI_", "ORTE_", "PRTE_", "PMIX_", "PMI_", "HYDI_", "HYDRA_",
    ];
    const NAMES: [&str; 11] = [
        MARKER,
        "PMI2_FD",
        "MPI_LOCALRANKID",
        "MPI_LOCALNRANKS",
        "MPIR_CVAR_CH3_INTERFACE_HOSTNAME",
        // Open MPI takes it for a promise that Slurm answers.
        "SLURM_STEP_ID",
        "SLURM_STEPID",
        "SLURM_PMIX_MAPPING_SERV",
        "SLURM_PMI2_PROC_MAPPING",
        "SLURM_PMI2_STEP_NODES",
        "SLURM_PMIXP_ABORT_AGENT_PORT",
    ];
    // What the user allows holds for launches that a task starts, too.
    const OF_THE_USER: &str = "OMPI_ALLOW_";
    let name = name.to_string_lossy();
    let of_launcher = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    NAMES.contains(&&*name) || (of_launcher && !name.starts_with(OF_THE_USER))
}

/// The count of a node in a list such as `2(x3),1`: three nodes with 2, and one with 1.
fn nth_count(counts: &str, node: usize) -> Option<usize> {
    let mut first = 0;
    for part in counts.split(',') {
        let (count, nodes) = match part.split_once("(x") {
            Some((count, nodes)) => (count, nodes.strip_suffix(')')?.parse::<usize>().ok()?),
            None => (part, 1),
        };
        first += nodes;
        if node < first {
            return count.parse().ok();
        }
    }
    None
}

/// The number of the socket behind a descriptor, which no other socket has.
fn socket_number(fd: RawFd) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    let number = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
