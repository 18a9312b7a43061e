//! A new file that only its owner can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::failure::Explain;

/// A file that is there, and has nothing in it yet.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) path: PathBuf,
    file: File,
    is_written: bool,
}

/// Why a secret is not in a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("there is a {path} already", path = path.display())]
    There { path: PathBuf },
    #[error("cannot write {path}", path = path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

impl Explain for SecretError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::There { .. } => "name a new file, or remove the old one first".to_owned(),
            Self::Unwritable { .. } => "name a file in a folder that you can write to".to_owned(),
        })
    }
}

impl Secret {
    /// Makes the file: nobody else may read it, and none that is there is written over.
    pub(super) fn create(path: PathBuf) -> Result<Self, SecretError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Self { path, file, is_written: false }),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(SecretError::There { path })
            }
            Err(source) => Err(SecretError::Unwritable { path, source }),
        }
    }

    /// Writes all of it.
    pub(super) fn write(mut self, text: &str) -> Result<(), SecretError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        self.is_written = written.is_ok();
        written.map_err(|source| SecretError::Unwritable { path: self.path.clone(), source })
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if !self.is_written {
            // One that was never written is of no use; if it cannot be removed, nothing secret is in it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobody_else_may_read_it_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rig-07.join");

        Secret::create(path.clone()).expect("new").write("secret").expect("written");
        let again = Secret::create(path.clone());

        let mode = path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(again, Err(SecretError::There { .. })), "{again:?}");
        assert_eq!(std::fs::read_to_string(path).expect("read"), "secret");
        let unused = folder.path().join("unused.join");
        drop(Secret::create(unused.clone()).expect("new"));
        assert!(!unused.exists(), "no token was made for it");
    }
}
