//! What environments tell.

use super::*;

impl Launch {
    /// As [`detect`](Launch::detect), in a rank whose gate was to be told nothing.
    pub(crate) fn of_part() -> Option<Self> {
        let variable = |name: &str| match name {
            SWITCH => None,
            _ => std::env::var_os(name),
        };
        Self::read(&variable, &socket_number, std::process::id())
    }
}

const PID: u32 = 1000;

fn read(variables: &[(&str, &str)]) -> Option<Launch> {
    Launch::read(&|name| value_of(variables, name), &socket, PID)
}

fn value_of(variables: &[(&str, &str)], name: &str) -> Option<OsString> {
    let found = variables.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| OsString::from(value))
}

fn socket(fd: RawFd) -> Option<u64> {
    (fd == 8).then_some(77)
}

fn told(variables: &[(&str, &str)]) -> Option<(usize, Option<usize>, Launcher)> {
    read(variables).map(|launch| (launch.rank, launch.size, launch.launcher))
}

const OPEN_MPI: [(&str, &str); 6] = [
    ("OMPI_COMM_WORLD_RANK", "3"),
    ("OMPI_COMM_WORLD_SIZE", "8"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
    ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
    ("PMIX_RANK", "3"),
    ("PMIX_NAMESPACE", "123"),
];

const HYDRA: [(&str, &str); 5] = [
    ("PMI_RANK", "1"),
    ("PMI_SIZE", "2"),
    ("PMI_FD", "8"),
    ("MPI_LOCALRANKID", "1"),
    ("MPI_LOCALNRANKS", "2"),
];

#[test]
fn the_launchers_tell_rank_and_size() {
    assert_eq!(told(&[]), None);
    assert_eq!(told(&OPEN_MPI), Some((3, Some(8), Launcher::OpenMpi)));
    assert_eq!(told(&HYDRA), Some((1, Some(2), Launcher::Hydra)));
    let pmi = [("PMI_RANK", "0"), ("PMI_SIZE", "2"), ("PMI_FD", "8")];
    assert_eq!(told(&pmi), Some((0, Some(2), Launcher::Pmi)));
    let pmix = [("PMIX_RANK", "1"), ("SLURM_STEP_NUM_TASKS", "4")];
    assert_eq!(told(&pmix), Some((1, Some(4), Launcher::Pmix)));
    assert_eq!(told(&[("PMIX_RANK", "1")]), Some((1, None, Launcher::Pmix)));
}

#[test]
fn places_on_a_machine_are_told() {
    let place = |variables: &[(&str, &str)]| {
        let place = read(variables).unwrap().place;
        place.map(|place| (place.rank, place.size))
    };
    assert_eq!(place(&OPEN_MPI), Some((1, 2)));
    assert_eq!(place(&HYDRA), Some((1, 2)));
    let slurm = [
        ("PMIX_RANK", "6"),
        ("SLURM_NTASKS", "7"),
        ("SLURM_LOCALID", "0"),
        ("SLURM_NODEID", "3"),
        ("SLURM_STEP_TASKS_PER_NODE", "2(x3),1"),
    ];
    assert_eq!(place(&slurm), Some((0, 1)));
    assert_eq!(place(&[("PMIX_RANK", "1")]), None);
}

#[test]
fn counts_of_nodes() {
    let counts = |text| (0..4).map(|node| nth_count(text, node)).collect::<Vec<_>>();
    assert_eq!(counts("2(x3),1"), [Some(2), Some(2), Some(2), Some(1)]);
    assert_eq!(counts("4"), [Some(4), None, None, None]);
    assert_eq!(counts("x,2(y),3(x"), [None; 4]);
}

#[test]
fn a_step_of_slurm_alone_is_no_launch() {
    let slurm = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
    assert_eq!(told(&slurm), None);
}

#[test]
fn a_lone_rank_is_no_launch() {
    let alone = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")];
    assert_eq!(told(&alone), None);
}

#[test]
fn nonsense_is_no_launch() {
    assert_eq!(told(&[("OMPI_COMM_WORLD_RANK", "one")]), None);
    assert_eq!(told(&[("PMI_RANK", "-1"), ("PMI_SIZE", "2")]), None);
    assert_eq!(told(&[("PMI_RANK", "2"), ("PMI_SIZE", "2")]), None);
}

#[test]
fn it_can_be_turned_off() {
    for value in ["off", "0"] {
        let variables = [&OPEN_MPI[..], &[(SWITCH, value)]].concat();
        assert_eq!(told(&variables), None);
    }
    let variables = [&OPEN_MPI[..], &[(SWITCH, "on")]].concat();
    assert!(told(&variables).is_some());
}

#[test]
fn what_inherits_the_marker_is_no_rank() {
    for variables in [&OPEN_MPI[..], &HYDRA[..]] {
        let launch = read(variables).unwrap();
        let with = |marker: &str| {
            let marker = OsString::from(marker);
            let value = |name: &str| match name {
                MARKER => Some(marker.clone()),
                _ => value_of(variables, name),
            };
            Launch::read(&value, &socket, PID)
        };
        let of = |pid: u32| format!("{pid} {}", launch.identity);
        assert_eq!(with(&of(PID)), Some(launch.clone()), "the rank itself");
        assert_eq!(with(&of(PID - 1)), None, "its child");
        let other = format!("{} pmi.76.1", PID - 1);
        assert_eq!(with(&other), Some(launch), "a rank of a launch in a launch");
    }
}

#[test]
fn transfers_to_lost_ranks_are_ones_that_can_fail() {
    let launch = read(&OPEN_MPI).unwrap();
    let set = |variables: &[(&str, &str)]| {
        let set = launch.variables_beside(&|name| value_of(variables, name));
        let names: Vec<_> = set.into_iter().map(|(name, _)| name).collect();
        names.contains(&TCP_FLAGS)
    };
    let recovers = ("OMPI_MCA_orte_enable_recovery", "1");
    assert!(set(&[recovers]));
    assert!(!set(&[]));
    assert!(!set(&[recovers, (TCP_FLAGS, "send")]), "the user's choice");
}

#[test]
fn without_the_socket_of_the_launcher_there_is_no_rank() {
    let variables = [("PMI_RANK", "1"), ("PMI_SIZE", "2"), ("PMI_FD", "9")];
    assert_eq!(told(&variables), None);
}

#[test]
fn variables_of_launchers_are_known() {
    for (name, _) in OPEN_MPI.into_iter().chain(HYDRA) {
        assert!(is_of_launcher(OsStr::new(name)), "{name}");
    }
    for name in [
        "SLURM_JOB_ID",
        "PATH",
        "MPICH_VERSION_OF_MINE",
        "OMP_NUM_THREADS",
    ] {
        assert!(!is_of_launcher(OsStr::new(name)), "{name}");
    }
}

/// Not a test by itself: what a process sees that a rank has started.
#[test]
fn launched_or_not() {
    if std::env::var_os("PARPROC_TEST_CHILD").is_some() {
        match Launch::detect() {
            Some(launch) => println!("rank {}", launch.rank),
            None => println!("no rank"),
        }
    }
}
