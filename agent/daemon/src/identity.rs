//! Who this agent is: what it keeps of its enrolment, in one file.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What an agent keeps of its enrolment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Identity {
    /// The node's name.
    pub(crate) name: String,
    /// The node's number.
    pub(crate) node: u32,
    /// Where the scheduler was at enrolment.
    pub(crate) scheduler: String,
    /// Marks the processes of this data folder: 16 random bytes in hex.
    pub(crate) folder: String,
    /// Of the scheduler, in PEM.
    pub(crate) authority: String,
    /// Of this agent, in PEM.
    pub(crate) certificate: String,
    /// Of this agent, in PEM. Secret.
    pub(crate) key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// The file of the identity, in the data folder.
const FILE: &str = "identity.toml";

/// Whether an agent with this data folder has enrolled.
pub fn is_enrolled(data: &Path) -> bool {
    data.join(FILE).exists()
}

/// The agent's data folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if need be, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let broken = |source| Error::DataFolder { path: path.into(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(broken)?;
        let path = path.canonicalize().map_err(broken)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(broken)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::DataFolderInUse { path }),
            Err(errno) => Err(broken(errno.into())),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the identity; `None` if this agent has never enrolled.
    pub(crate) fn load(&self) -> Result<Option<Identity>, Error> {
        let path = self.identity_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::DataFolder { path, source }),
        };
        toml::from_str(&text)
            .map(Some)
            .map_err(|source| Error::IdentityMalformed { path, source: Box::new(source) })
    }

    /// Writes the identity: all of it or, whatever happens, nothing.
    pub(crate) fn store(&self, identity: &Identity) -> Result<(), Error> {
        let path = self.identity_path();
        let text =
            toml::to_string(identity).expect("an identity is a flat table of strings and a number");
        self.write(&path, text.as_bytes()).map_err(|source| Error::DataFolder { path, source })
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(&self.path)?.sync_all()
    }

    fn identity_path(&self) -> PathBuf {
        self.path.join(FILE)
    }
}
