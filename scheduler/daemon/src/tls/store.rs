//! Certificates and keys in the folder `tls` of the data folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::KeyPair;

use crate::Error;

/// Certificates and keys in a folder.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The folder `tls` of a data folder; made if it is not there.
    pub(super) fn open(data: &Path) -> Result<Self, Error> {
        let folder = data.join("tls");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|source| Error::File { what: "make", path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { what: "read", path, source }),
        }
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        write_private(&self.path(name), text)
    }

    /// The key of this name; made if it is not there.
    pub(super) fn key(&self, name: &str) -> Result<KeyPair, Error> {
        let unusable = |source: rcgen::Error| Error::Certificate {
            path: self.path(name),
            source: source.into(),
        };
        if let Some(pem) = self.read(name)? {
            return KeyPair::from_pem(&pem).map_err(unusable);
        }
        let key = KeyPair::generate().map_err(unusable)?;
        self.write(name, &key.serialize_pem())?;
        Ok(key)
    }
}

/// Writes a file that only its owner can read; whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|source| Error::File { what: "write", path: path.to_owned(), source })
}
