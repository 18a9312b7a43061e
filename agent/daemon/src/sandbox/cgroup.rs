//! Control groups: how a task is limited, what it used, and how all of it is killed.
//!
//! Every task with a limit has a group of its own in a [`Tree`] below the agent's. Groups are made
//! ahead and used again where the kernel can forget what the last task used (version 1), because
//! making one costs more than starting a process.

mod file;
mod gate;
mod mounts;
mod pool;
mod tree;
mod v1;
mod v2;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use repower_model::Bytes;

use super::devices::Number;
use gate::Gate;

pub(crate) use tree::Tree;

/// What a task may use. What is `None` is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    pub(crate) memory: Option<Bytes>,
    /// Processes and threads at a time.
    pub(crate) pids: Option<u32>,
    /// Share of the processors when they are scarce, in thousandths of one.
    pub(crate) cpu_milli: Option<u64>,
    /// Share of the disks when they are scarce, where 100 is that of one processor; `None`: by `cpu_milli`.
    pub(crate) io_weight: Option<u32>,
}

impl Limits {
    /// The share of the disks, in a measure in which that of a whole processor is `whole`.
    fn share_of_disks(&self, whole: u64) -> u64 {
        match self.io_weight {
            Some(weight) => u64::from(weight) * whole / 100,
            None => self.cpu_milli.map_or(whole, |milli| milli * whole / 1000),
        }
    }
}

/// What the processes of a group have used since the group was given to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Figures {
    /// User and system time, if the group counts it.
    pub(crate) cpu_us: Option<u64>,
    /// The most memory at a time, page cache included, if the group counts it.
    pub(crate) peak_memory: Option<Bytes>,
    pub(crate) read: Option<Bytes>,
    pub(crate) written: Option<Bytes>,
    /// Whether the group counts those that the kernel kills for want of memory.
    pub(crate) counts_kills: bool,
    /// Processes that the kernel has killed because the group was at its limit.
    pub(crate) memory_kills: u64,
}

/// What groups can limit and count on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a host has or lacks")]
pub(crate) struct Controllers {
    pub(crate) memory: bool,
    pub(crate) pids: bool,
    pub(crate) cpu: bool,
    pub(crate) io: bool,
    pub(crate) cpuset: bool,
    /// Which devices may be used.
    pub(crate) devices: bool,
}

/// Puts this process into the groups of another, in all hierarchies where they differ.
pub(crate) fn join(pid: i32) -> Result<(), Error> {
    for folder in mounts::Mounts::beside(pid) {
        file::write(&folder.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// How a new process gets into a group.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// It writes "0" to each of these before it becomes the task (version 1).
    Write(Vec<OwnedFd>),
    /// It is born in the folder that this is (version 2).
    Born(OwnedFd),
}

/// Why control groups cannot be used as wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} cannot be {verb}: check who may write to the control groups", path.display())]
    File { verb: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "this host has no control groups that the agent may use: mount them, or delegate some to the agent"
    )]
    Nothing,
    #[error(
        "a program that denies devices cannot be {verb}: check what the agent may do in the kernel"
    )]
    Program { verb: &'static str, source: std::io::Error },
    #[error("the processes in {} do not end", path.display())]
    Immortal { path: PathBuf },
}

/// A group that belongs to one task at a time.
#[derive(Debug)]
pub(crate) enum Group {
    V1(Box<v1::Group>),
    V2(v2::Group),
}

impl Group {
    /// How a new process gets in.
    pub(crate) fn entrance(&self) -> &Entrance {
        match self {
            Self::V1(group) => group.entrance(),
            Self::V2(group) => &group.entrance,
        }
    }

    /// A folder that lists its processes; `None`: nothing does.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::V1(group) => group.folder(),
            Self::V2(group) => Some(group.folder()),
        }
    }

    /// What its processes have used so far.
    pub(crate) fn figures(&self) -> Figures {
        match self {
            Self::V1(group) => group.figures(),
            Self::V2(group) => group.figures(),
        }
    }

    /// The processor time and the memory of its processes now, as far as the group counts them.
    pub(crate) fn usage(&self) -> (Option<u64>, Option<u64>) {
        match self {
            Self::V1(group) => (None, group.usage()),
            Self::V2(group) => group.usage(),
        }
    }

    /// Kills every process in it; they cannot start others meanwhile.
    ///
    /// Returns whether it is empty: those that were killed take a moment to be gone.
    ///
    /// # Errors
    ///
    /// If the group's files cannot be used.
    pub(crate) fn kill(&self) -> Result<bool, Error> {
        match self {
            Self::V1(group) => group.kill(),
            Self::V2(group) => group.kill(),
        }
    }

    /// What is set.
    fn limits(&self) -> Limits {
        match self {
            Self::V1(group) => group.limits,
            Self::V2(group) => group.limits,
        }
    }

    /// Others make groups below it: from now on what is in those counts as in it, and it serves one task only.
    pub(crate) fn nest(&mut self) {
        match self {
            Self::V1(group) => group.nest(),
            // There it counts anyway.
            Self::V2(_) => {}
        }
    }

    /// Where it is below the mounts of control groups, as container engines name it; `None` if that differs by
    /// hierarchy.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        let mounts = mounts::Mounts::look().all();
        match self {
            Self::V1(group) => group.place(&mounts),
            Self::V2(group) => group.place(&mounts),
        }
    }

    /// Sets its limits.
    pub(crate) fn limit(&mut self, limits: Limits) -> Result<(), Error> {
        match self {
            Self::V1(group) => group.limit(limits),
            Self::V2(group) => group.limit(limits),
        }
    }

    /// Lets its processes run on these processors only: `0-2,5`. Before the first of them is in it.
    ///
    /// # Errors
    ///
    /// If the group's files cannot be used.
    pub(crate) fn pin(&mut self, cpus: &str) -> Result<(), Error> {
        match self {
            Self::V1(group) => group.pin(cpus),
            Self::V2(group) => group.pin(cpus),
        }
    }

    /// Denies its processes these devices, and no others. Before the first of them is in it.
    fn deny(&mut self, denied: &[Number], gate: &Gate) -> Result<(), Error> {
        match self {
            Self::V1(group) => group.deny(denied),
            Self::V2(group) if !denied.is_empty() => gate.close(denied, group.door()),
            // Each serves one task only, so nothing was denied before.
            Self::V2(_) => Ok(()),
        }
    }

    /// Makes it as good as new, if it can be; it has no processes.
    fn refresh(&mut self) -> bool {
        match self {
            Self::V1(group) => group.refresh(),
            Self::V2(_) => false,
        }
    }

    /// Removes it; it has no processes.
    fn remove(self) -> Result<(), Error> {
        match self {
            Self::V1(group) => group.remove(),
            Self::V2(group) => group.remove(),
        }
    }
}
