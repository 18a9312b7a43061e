//! The join file: what an agent needs to enrol.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::Malformed;

/// What an agent needs to enrol; written by `repower token join`, as TOML.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JoinFile {
    /// Where the scheduler is: `https://host:port`.
    pub scheduler: String,
    /// The certificate of the scheduler's authority, in PEM.
    pub authority: String,
    /// The join token's secret; good for one agent.
    pub secret: String,
}

impl std::fmt::Debug for JoinFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinFile").field("scheduler", &self.scheduler).finish_non_exhaustive()
    }
}

impl JoinFile {
    /// Reads a join file.
    ///
    /// # Errors
    ///
    /// [`Error::JoinFileUnreadable`] or [`Error::JoinFileMalformed`], which say where.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::JoinFileUnreadable { path: path.into(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                "others can read the token in the join file; `chmod 600` keeps it secret"
            );
        }
        toml::from_str(&text).map_err(|error| Error::JoinFileMalformed {
            path: path.into(),
            source: Malformed::new(&text, &error),
        })
    }
}
