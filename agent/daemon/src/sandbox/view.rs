//! What a boxed task sees of the file system: system folders to read, a few harmless devices, its
//! own `/tmp`, `/dev/shm` and `/proc`, and the folders that are named for it. Nothing else is there.

mod build;
mod system;

use std::ffi::CString;

use super::landlock::Rule;
use super::raw::{self, Errno, MountAttributes};

pub(crate) use build::{Builder, Unusable};
pub(crate) use system::System;

/// What a task sees, as the steps that make it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// An empty folder of the host on which the new root is mounted, in the task's own namespace only.
    root: CString,
    steps: Vec<Step>,
    /// The same once more for Landlock, as seen from inside.
    pub(super) rules: Vec<Rule>,
}

/// One step; paths are the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Folder {
        path: CString,
    },
    File {
        path: CString,
    },
    Link {
        target: CString,
        path: CString,
    },
    Device {
        path: CString,
        device: u64,
    },
    /// A file system of its own.
    Fresh {
        kind: CString,
        path: CString,
        flags: u64,
        options: CString,
    },
    /// A part of the host's.
    Part {
        from: CString,
        path: CString,
        how: How,
    },
}

/// How a part of the host's file system is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    ReadOnly,
    /// With all that is mounted below it; what an unprivileged agent has to do.
    ReadOnlyBelowToo,
    Writable,
    Device,
}

const READ_ONLY: u64 = 1;
const NO_SETUID: u64 = 2;
const NO_DEVICES: u64 = 4;

impl View {
    /// Makes it, in a mount namespace of its own. Makes system calls only.
    ///
    /// # Errors
    ///
    /// Which step failed, counted from 1 (0: what comes before and after), and why.
    pub(super) fn enter(&self) -> Result<(), (u32, Errno)> {
        let whole = |errno| (0, errno);
        raw::umask(0);
        raw::mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE, c"").map_err(whole)?;
        let options = c"mode=755,size=4m";
        raw::mount(c"box", &self.root, c"tmpfs", libc::MS_NOSUID, options).map_err(whole)?;
        for (number, step) in (1..).zip(&self.steps) {
            step.perform().map_err(|errno| (number, errno))?;
        }
        raw::change_folder(&self.root).map_err(whole)?;
        raw::pivot_root(c".", c".").map_err(whole)?;
        raw::unmount_lazily(c".").map_err(whole)?;
        raw::change_folder(c"/").map_err(whole)?;
        let attributes =
            MountAttributes { set: READ_ONLY | NO_SETUID, ..MountAttributes::default() };
        raw::set_mount(c"/", false, &attributes).map_err(whole)?;
        raw::umask(0o022);
        Ok(())
    }

    /// What a step does, for people.
    pub(crate) fn describe(&self, number: u32) -> String {
        let step = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        match step.and_then(|step| self.steps.get(step)) {
            None => "its root".to_owned(),
            Some(Step::Part { from, .. }) => from.to_string_lossy().into_owned(),
            Some(
                Step::Folder { path }
                | Step::File { path }
                | Step::Link { path, .. }
                | Step::Device { path, .. }
                | Step::Fresh { path, .. },
            ) => path.to_string_lossy().into_owned(),
        }
    }
}

impl Step {
    fn perform(&self) -> Result<(), Errno> {
        match self {
            Self::Folder { path } => unless_there(raw::make_folder(path, 0o755)),
            Self::File { path } => unless_there(raw::make_node(path, libc::S_IFREG | 0o444, 0)),
            Self::Link { target, path } => raw::make_link(target, path),
            Self::Device { path, device } => raw::make_node(path, libc::S_IFCHR | 0o666, *device),
            Self::Fresh { kind, path, flags, options } => {
                raw::mount(kind, path, kind, *flags, options)
            }
            Self::Part { from, path, how } => {
                let below_too = *how == How::ReadOnlyBelowToo;
                let flags = if below_too { libc::MS_BIND | libc::MS_REC } else { libc::MS_BIND };
                raw::mount(from, path, c"none", flags, c"")?;
                let set = match how {
                    How::ReadOnly | How::ReadOnlyBelowToo => READ_ONLY | NO_SETUID | NO_DEVICES,
                    How::Writable => NO_SETUID | NO_DEVICES,
                    How::Device => NO_SETUID,
                };
                raw::set_mount(
                    path,
                    below_too,
                    &MountAttributes { set, ..MountAttributes::default() },
                )
            }
        }
    }
}

/// A place that is there already, or in a part that cannot be written to, is as good as made: what
/// is to be mounted there says if it is not.
fn unless_there(made: Result<(), Errno>) -> Result<(), Errno> {
    match made {
        Err(libc::EEXIST | libc::EROFS) => Ok(()),
        made => made,
    }
}
