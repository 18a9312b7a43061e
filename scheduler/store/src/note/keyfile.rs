//! The file that holds the key which signs the heads of a ledger.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{KeyError, SignerKey, VerifierKey};

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or made.
    #[error("cannot read or make the key file {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file has no key in it.
    #[error("the key file {} has no usable key in it", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// Others than the owner may read the file, so the key may be known.
    #[error("the key file {} has mode {mode:03o}, so others may read the secret; its mode should be 600", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is that of another ledger.
    #[error("the key file {} is for {found}, not for {expected}", path.display())]
    OtherName {
        /// Which file.
        path: PathBuf,
        /// The name in the key.
        found: String,
        /// The name that was asked for.
        expected: String,
    },
    /// There is no source of random bytes.
    #[error("cannot make a key: the system gives no random bytes")]
    Random {
        /// What the system says.
        #[source]
        source: getrandom::Error,
    },
}

impl KeyFileError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check owner and permissions of the data folder",
            Self::Key { .. } => "restore the key file from a backup",
            Self::Exposed { .. } => "chmod 600 the file, and ask yourself who may have read it",
            Self::OtherName { .. } => "start with the cell name that the ledger was made with",
            Self::Random { .. } => "check that getrandom(2) is not blocked by a sandbox",
        }
    }
}

/// Reads the key of `name`; `None` if there is no such file.
pub fn load(path: &Path, name: &str) -> Result<Option<SignerKey>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).map_err(io)?;
    let key: SignerKey = text
        .trim_end()
        .parse()
        .map_err(|source| KeyFileError::Key { path: path.to_owned(), source })?;
    if key.verifier().name() != name {
        let (found, expected) = (key.verifier().name().to_owned(), name.to_owned());
        return Err(KeyFileError::OtherName { path: path.to_owned(), found, expected });
    }
    Ok(Some(key))
}

/// Reads the key of `name`, or makes one, durably, in a file that only the owner can read.
pub fn load_or_make(path: &Path, name: &str) -> Result<SignerKey, KeyFileError> {
    if let Some(key) = load(path, name)? {
        return Ok(key);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|source| KeyFileError::Random { source })?;
    let key = SignerKey::from_seed(name, seed)
        .map_err(|source| KeyFileError::Key { path: path.to_owned(), source })?;
    write(path, &key.to_secret_string(), 0o600)
        .map_err(|source| KeyFileError::Io { path: path.to_owned(), source })?;
    Ok(key)
}

/// Writes the public half to a file that an auditor can take along.
pub fn publish(path: &Path, key: &VerifierKey) -> Result<(), KeyFileError> {
    write(path, &key.to_string(), 0o644)
        .map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

/// Writes beside the path and renames, so that a crash leaves a whole key or none.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");

        let made = load_or_make(&path, "repower.example/a").unwrap();
        let again = load_or_make(&path, "repower.example/a").unwrap();

        assert_eq!(made.to_secret_string(), again.to_secret_string());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        load_or_make(&path, "a").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();

        let error = load(&path, "a").unwrap_err();

        assert!(matches!(error, KeyFileError::Exposed { mode: 0o644, .. }), "{error}");
    }

    #[test]
    fn the_key_of_another_cell_and_a_file_without_key_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        load_or_make(&path, "a").unwrap();

        assert!(matches!(load(&path, "b"), Err(KeyFileError::OtherName { .. })));
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(matches!(load(&path, "a"), Err(KeyFileError::Key { .. })));
    }
}
