//! The parts of a group that only some groups have: to enter one more hierarchy costs each task something.

use std::path::{Path, PathBuf};

use super::super::{Error, file};
use crate::sandbox::devices::Number;

/// A part of a group in a hierarchy in which not every group has one.
#[derive(Debug)]
pub(super) struct Aside {
    /// Where it is, or would be.
    folder: PathBuf,
    is_there: bool,
}

impl Aside {
    /// That of a group of this name, which may be there already.
    pub(super) fn below(root: &Path, name: &str) -> Self {
        let folder = root.join(name);
        Self { is_there: folder.exists(), folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it; returns whether it was not there before.
    fn make(&mut self) -> Result<bool, Error> {
        file::make(&self.folder)?;
        Ok(!std::mem::replace(&mut self.is_there, true))
    }

    pub(super) const fn is_there(&self) -> bool {
        self.is_there
    }

    /// Removes it, if it is there; it has no processes.
    pub(super) fn remove(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.is_there) { file::remove_all(&self.folder) } else { Ok(()) }
    }

    /// Has the processes of the group run on these processors only; returns whether it is new.
    pub(super) fn pin(&mut self, cpus: &str) -> Result<bool, Error> {
        let is_new = self.make()?;
        let root = self.folder.parent().ok_or(Error::Nothing)?;
        // Without memory to use it would take no process.
        file::write(&self.folder.join(super::MEMS), &file::read(&root.join(super::MEMS))?)?;
        file::write(&self.folder.join(super::CPUS), cpus)?;
        Ok(is_new)
    }
}

/// The part of a group that keeps its processes from devices.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) part: Aside,
    denied: Vec<Number>,
}

impl Denial {
    /// That of a group of this name. What one that is there already denies is not known.
    pub(super) fn below(root: &Path, name: &str) -> Self {
        Self { part: Aside::below(root, name), denied: Vec::new() }
    }

    /// Denies these devices and no others; what is as it was costs nothing. Returns whether the part is new.
    pub(super) fn deny(&mut self, denied: &[Number]) -> Result<bool, Error> {
        if self.denied == denied {
            return Ok(false);
        }
        let is_new = self.part.make()?;
        // What is half done had better be done anew.
        self.denied.clear();
        file::write(&self.part.folder.join("devices.allow"), "a")?;
        for number in denied {
            let line = format!("c {}:{} rwm", number.major, number.minor);
            file::write(&self.part.folder.join(DENY), &line)?;
        }
        self.denied = denied.to_vec();
        Ok(is_new)
    }
}

/// The file by which the processes of a group are denied a device.
pub(in crate::sandbox::cgroup) const DENY: &str = "devices.deny";
