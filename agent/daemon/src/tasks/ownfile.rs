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
    /// Writes a file that everybody can read and run who can come there: to a box it is shown, and
    /// outside the agent's data folder keeps everybody out.
    pub(super) fn write(path: PathBuf, text: &[u8]) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path)?;
        let own = Self { path };
        // Whatever the agent was started with would take bits away otherwise.
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
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
