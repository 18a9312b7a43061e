//! What holds a task: limits, namespaces, its own view of the files, filters, its own user.
//!
//! | module | what it does |
//! | --- | --- |
//! | `spawn` | starts a task's first process in a given confinement |
//! | `cgroup` | limits, figures, and the killing of all of a task, by control groups 1 and 2 |
//! | `devices` | the device files of GPUs, and whose they are |
//! | `processors` | which processors a task has to itself |
//! | `view` | what a task sees of the files |
//! | `landlock`, `seccomp` | which files and system calls a task may use |
//! | `reach` | a network that reaches named places only |
//! | `users` | an unprivileged user for each project |
//!
//! `raw` has the system calls of the time between clone and exec.

mod abilities;
mod cgroup;
mod devices;
mod host;
mod init;
mod landlock;
mod measure;
mod processors;
mod raw;
mod reach;
mod seccomp;
mod spawn;
mod strings;
mod users;
mod view;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(crate) use abilities::name::CGROUP_V2;
pub(crate) use cgroup::{Error as GroupError, Figures, Group, Limits, Tree};
#[cfg(test)]
pub(crate) use devices::tree as device_tree;
pub(crate) use devices::{Devices, Found, Maker};
pub(crate) use host::{Error, Host, Prepared, Wanted};
pub(crate) use init::digest as init_digest;
pub(crate) use landlock::Access;
pub use measure::Launches;
pub(crate) use processors::Pinned;
pub(crate) use reach::Reach;
pub(crate) use spawn::{Failure, Program, Started, Step};
pub(crate) use strings::Strings;
pub(crate) use users::User;

/// The name of a data folder's part of the control groups: the same at every start.
pub(crate) fn name_of(data: &Path) -> String {
    let (device, number) = fs::metadata(data).map_or((0, 0), |file| (file.dev(), file.ino()));
    format!("repower-{device:x}-{number:x}")
}

/// The filter of system calls of boxed tasks.
#[derive(Debug)]
pub(crate) struct Bars(seccomp::Filter);

impl Bars {
    pub(crate) fn new() -> Self {
        Self(seccomp::Filter::new())
    }

    /// Puts the calling process under it.
    pub(crate) fn close(&self) -> std::io::Result<()> {
        raw::seccomp_filter(self.0.program()).map_err(std::io::Error::from_raw_os_error)
    }
}

/// Puts this process into the control groups of another.
pub(crate) fn join_groups(pid: i32) -> std::io::Result<()> {
    cgroup::join(pid).map_err(std::io::Error::other)
}

/// What this host can do, for the inventory; ascending. Leaves what a running executor has alone.
pub(crate) fn abilities(data: &Path) -> Result<Vec<String>, Error> {
    let host = Host::new(data, &format!("{}-probe-{}", name_of(data), std::process::id()))?;
    Ok(host.abilities().iter().map(|name| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests;
