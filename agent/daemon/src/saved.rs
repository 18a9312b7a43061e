//! Where a task's saved work is on this node: `DATA/checkpoints/JOB.INDEX`, with the work itself in `data` and, in
//! `attempt`, the number of the attempt that had it last.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use repower_model::{JobId, TaskId};

use crate::folder::{clear, give, show};
use crate::sandbox::User;

/// Where a task's saved work is.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// The folder of all of them in a data folder.
    pub(crate) fn root(data: &Path) -> PathBuf {
        data.join("checkpoints")
    }

    /// That of a task, below that folder.
    pub(crate) fn of(root: &Path, task: TaskId) -> Self {
        Self(root.join(format!("{}.{}", task.job, task.index)))
    }

    /// Whose it is, by its name; `None`: no task's.
    pub(crate) fn task_of(path: &Path) -> Option<TaskId> {
        let (job, index) = path.file_name()?.to_str()?.split_once('.')?;
        Some(TaskId { job: JobId(job.parse().ok()?), index: index.parse().ok()? })
    }

    /// The tasks of which there is saved work in a data folder, at most so many.
    pub(crate) fn tasks(data: &Path, most: usize) -> Vec<TaskId> {
        let entries = fs::read_dir(Self::root(data)).into_iter().flatten().flatten();
        entries.filter_map(|entry| Self::task_of(&entry.path())).take(most).collect()
    }

    /// All that belongs to it.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The work itself.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Where it comes in, or goes out from.
    pub(crate) fn archive(&self) -> PathBuf {
        self.0.join("tar")
    }

    /// Makes the folders, if they are not there.
    pub(crate) fn make(&self) -> io::Result<()> {
        make_private(&self.data())
    }

    /// The number of the attempt that had it last; 0 if nobody knows, `None` if there is nothing.
    pub(crate) fn number(&self) -> Option<u32> {
        if !self.data().is_dir() {
            return None;
        }
        let text = fs::read_to_string(self.0.join("attempt")).unwrap_or_default();
        Some(text.trim().parse().unwrap_or(0))
    }

    /// Writes down which attempt has it.
    pub(crate) fn note(&self, number: u32) -> io::Result<()> {
        let fresh = self.0.join("attempt.new");
        fs::write(&fresh, format!("{number}\n"))?;
        fs::rename(fresh, self.0.join("attempt"))
    }

    /// An attempt is about to start, whose user has the folder from now on.
    pub(crate) fn begin(&self, number: u32, user: Option<User>) -> io::Result<()> {
        self.note(number)?;
        let (uid, gid) = user.map_or_else(
            || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            |user| (user.uid, user.gid),
        );
        if let Some(user) = user.filter(|_| rustix::process::geteuid().is_root()) {
            // Outside of a box it passes through here.
            show(&self.0, user.gid)?;
        }
        let data = self.data();
        // It is given last of all that is in it.
        if fs::symlink_metadata(&data)?.uid() == uid { Ok(()) } else { give(&data, uid, gid) }
    }

    /// Puts a folder in the place of the work, as that of an attempt.
    pub(crate) fn replace(&self, fresh: &Path, number: u32) -> io::Result<()> {
        // Should this break off, what is here counts as that of nobody, and is fetched again.
        clear(&self.0.join("attempt"))?;
        clear(&self.data())?;
        fs::rename(fresh, self.data())?;
        self.note(number)
    }

    /// Makes an empty folder in which what comes is unpacked.
    pub(crate) fn fresh(&self) -> io::Result<PathBuf> {
        let fresh = self.0.join("new");
        clear(&fresh)?;
        make_private(&fresh)?;
        Ok(fresh)
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
