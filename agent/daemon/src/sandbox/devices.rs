//! The device files of this host's GPUs: which there are, and which of them belong to which GPU.
//!
//! GPUs have numbers, as the extra `gpu` counts them. Those of NVIDIA have that of their file, `/dev/nvidia2`. Where there
//! are none of NVIDIA, they are the render nodes of `/dev/dri`, counted from 0, and only those of AMD where there are
//! such. What belongs to a GPU without a number is given to nobody.
//!
//! A host without GPUs is not looked at again until a task asks for some.

mod look;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use look::{Found, Maker};

/// A device, as the kernel numbers it. Character devices only: GPUs have no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

/// A device file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// On the host.
    pub(crate) path: PathBuf,
    /// Where tasks see it.
    pub(crate) shown: PathBuf,
    pub(crate) number: Number,
    /// Who may use it is the driver's own affair, also for tasks that have the GPU.
    pub(crate) is_guarded: bool,
    /// Who may, on the host.
    mode: u32,
    gid: u32,
}

impl File {
    /// As the calls that make device files want it.
    pub(super) fn raw(&self) -> u64 {
        rustix::fs::makedev(self.number.major, self.number.minor)
    }

    /// The group whose members may use it, if not everybody may.
    fn group(&self) -> Option<u32> {
        let (all, group) = (0o006, 0o060);
        let is_for_group = self.mode & all != all && self.mode & group == group;
        // Not that of root: more belongs to it than GPUs.
        (is_for_group && self.gid != 0 && !self.is_guarded).then_some(self.gid)
    }
}

/// The GPUs of a host.
#[derive(Debug)]
pub(crate) struct Devices {
    /// Below which `dev`, `proc` and `sys` are.
    root: PathBuf,
    found: Mutex<Option<Arc<Found>>>,
}

impl Devices {
    /// Looks at a host.
    pub(crate) fn look(root: &Path) -> Self {
        Self { root: root.into(), found: Mutex::new(Found::look(root).map(Arc::new)) }
    }

    /// What there is; looked for again if there was something, and device files have come or gone since.
    pub(crate) fn now(&self) -> Option<Arc<Found>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.as_ref().is_some_and(|found| !found.is_current(&self.root)) {
            *found = Found::look(&self.root).map(Arc::new);
        }
        found.clone()
    }

    /// What there is, looked for just now.
    pub(crate) fn again(&self) -> Option<Arc<Found>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = Found::look(&self.root).map(Arc::new);
        found.clone()
    }
}

impl Found {
    /// Their numbers, ascending.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.gpus.keys().copied().collect()
    }

    /// The files that a task with these GPUs uses; none without any.
    pub(crate) fn files(&self, gpus: &[u64]) -> Vec<&File> {
        if gpus.is_empty() {
            return Vec::new();
        }
        let own = gpus.iter().filter_map(|gpu| self.gpus.get(gpu)).flatten();
        own.chain(&self.common).collect()
    }

    /// The devices of GPUs that are not a task's which has these; ascending.
    pub(crate) fn denied(&self, gpus: &[u64]) -> Vec<Number> {
        let given: BTreeSet<Number> = self.files(gpus).iter().map(|file| file.number).collect();
        let all = self.gpus.values().flatten().chain(&self.common).map(|file| file.number);
        let all: BTreeSet<Number> = all.chain(self.others.iter().copied()).collect();
        all.difference(&given).copied().collect()
    }

    /// The groups that a user must be in to use the files of these GPUs where they are on the host; ascending.
    pub(crate) fn groups(&self, gpus: &[u64]) -> Vec<u32> {
        let groups: BTreeSet<u32> = self.files(gpus).into_iter().filter_map(File::group).collect();
        groups.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::tree;
