//! Where in each hierarchy of version 1 the groups of an agent are.

use std::path::PathBuf;

use super::super::Controllers;

/// The folders of which each holds one controller's part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Roots {
    pub(in crate::sandbox::cgroup) memory: Option<PathBuf>,
    pub(in crate::sandbox::cgroup) pids: Option<PathBuf>,
    pub(in crate::sandbox::cgroup) cpu: Option<PathBuf>,
    pub(in crate::sandbox::cgroup) io: Option<PathBuf>,
    /// In which a group has a part only if its processes are pinned.
    pub(in crate::sandbox::cgroup) cpuset: Option<PathBuf>,
    /// In which it has one only if there are devices that its processes may not use.
    pub(in crate::sandbox::cgroup) devices: Option<PathBuf>,
}

impl Roots {
    /// All folders.
    pub(in crate::sandbox::cgroup) fn all(&self) -> Vec<&PathBuf> {
        let mut all = self.folders();
        let aside = [&self.cpuset, &self.devices].into_iter().flatten();
        all.extend(aside.filter(|one| !self.folders().contains(one)));
        all
    }

    /// The folders in which every group has a part, each once: controllers may share one.
    pub(in crate::sandbox::cgroup) fn folders(&self) -> Vec<&PathBuf> {
        let mut folders: Vec<_> =
            [&self.memory, &self.pids, &self.cpu, &self.io].into_iter().flatten().collect();
        folders.sort();
        folders.dedup();
        folders
    }

    pub(in crate::sandbox::cgroup) fn controllers(&self) -> Controllers {
        Controllers {
            memory: self.memory.is_some(),
            pids: self.pids.is_some(),
            cpu: self.cpu.is_some(),
            io: self.io.is_some(),
            cpuset: self.cpuset.is_some(),
            devices: self.devices.is_some(),
        }
    }
}
