//! Files that this agent has written for tasks.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A file that this agent has written for tasks; removed when it is dropped.
#[derive(Debug)]
pub(super) struct OwnFile {
    path: PathBuf,
}

impl OwnFile {
    /// Writes a file that can be read and run by this user and, by tasks that have another, once it is
    /// [shown](crate::folder::show) to them. Where this user is not root it is in nobody's way but in a box, and open.
    pub(super) fn write(path: PathBuf, text: &[u8]) -> io::Result<Self> {
        let mode = if rustix::process::geteuid().is_root() { 0o700 } else { 0o755 };
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path)?;
        let own = Self { path };
        // Whatever the agent was started with would take bits away otherwise.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text)?;
        Ok(own)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a file of a task");
        }
    }
}
