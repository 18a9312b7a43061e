//! What can go wrong with the bytes of an artefact.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use repower_model::Hash;

/// What can go wrong with the bytes of an artefact.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no space left.
    #[error("the disk that holds {} is full", path.display())]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There would be too little space left.
    #[error(
        "the disk that holds {} has {free} bytes free, but {asked} are to come and {reserve} must stay free",
        path.display()
    )]
    NoRoom {
        /// What was to be written.
        path: PathBuf,
        /// How many bytes are to come.
        asked: u64,
        /// How many are free.
        free: u64,
        /// How many must stay free.
        reserve: u64,
    },
    /// It would not fit if nothing else were there.
    #[error(
        "{bytes} bytes never fit: the disk that holds {} has room for {most} when it is empty",
        path.display()
    )]
    TooLarge {
        /// What was to be written.
        path: PathBuf,
        /// How many bytes it has.
        bytes: u64,
        /// How many find room on the disk, but for what must stay free.
        most: u64,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The bytes are others than was said.
    #[error("the bytes have the SHA-256 {found}, but should have {expected}")]
    WrongDigest {
        /// What was said.
        expected: Hash,
        /// What came.
        found: Hash,
    },
    /// There are more or fewer bytes than was said.
    #[error("{found} bytes have come, but there should be {expected}")]
    WrongSize {
        /// What was said.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Bytes before these are missing.
    #[error(
        "the bytes start at {offset}, but only the {have} before have arrived: send from there"
    )]
    Gap {
        /// Where they start.
        offset: u64,
        /// How many there are.
        have: u64,
    },
    /// There is no such artefact.
    #[error("there is no artefact {digest}")]
    Missing {
        /// Its digest.
        digest: Hash,
    },
    /// Somebody else began to send the same artefact.
    #[error("somebody else sends the artefact {digest} now")]
    Superseded {
        /// Its digest.
        digest: Hash,
    },
    /// The store is ending.
    #[error("the store is ending")]
    Ending,
    /// Another machine could not be asked, or said no.
    #[error("cannot {what} {address}")]
    Remote {
        /// What was tried.
        what: &'static str,
        /// With what.
        address: String,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An address cannot be used.
    #[error("{address} cannot be used: {problem}")]
    BadAddress {
        /// Which.
        address: String,
        /// Why not.
        problem: String,
    },
    /// A file of credentials cannot be used.
    #[error("{} cannot be used for credentials: {problem}", path.display())]
    BadCredentials {
        /// Which.
        path: PathBuf,
        /// Why not; never what is in it.
        problem: String,
    },
    /// A path leads out of its folder.
    #[error(transparent)]
    Escape(#[from] crate::Escape),
}

impl Fault {
    /// Whether the same might work later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Full { .. }
            | Self::NoRoom { .. }
            | Self::Io { .. }
            | Self::Gap { .. }
            | Self::Superseded { .. }
            | Self::Ending
            | Self::Remote { .. } => true,
            Self::TooLarge { .. }
            | Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::Missing { .. }
            | Self::BadAddress { .. }
            | Self::BadCredentials { .. }
            | Self::Escape(_) => false,
        }
    }

    /// Whether there is too little space.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom { .. } | Self::TooLarge { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } | Self::NoRoom { .. } => "free space on that disk",
            Self::TooLarge { .. } => {
                "make it smaller, or use a larger disk for the store of artefacts"
            }
            Self::Io { .. } => "check the disk, and owner and permissions of the folder",
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                "check whether the file changed on its way, or the digest is that of another version"
            }
            Self::Gap { .. } | Self::Superseded { .. } | Self::Ending => "try again",
            Self::Missing { .. } => "upload it again, or submit the job that made it again",
            Self::Remote { .. } => "check that the address is right and reachable from there",
            Self::BadAddress { .. } => "use s3://BUCKET/PREFIX, https://HOST/PATH or file:///PATH",
            Self::BadCredentials { .. } => {
                "write lines like AWS_ACCESS_KEY_ID=..., and chmod 600 the file"
            }
            Self::Escape(_) => "use a path below the folder, without `..`",
        }
    }

    /// What `source` means for `path`.
    pub fn io(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
            if full.contains(&source.kind()) {
                Self::Full { path, source }
            } else {
                Self::Io { what, path, source }
            }
        }
    }

    /// What `source` means for something on another machine.
    pub(crate) fn remote<E>(what: &'static str, address: &str) -> impl Fn(E) -> Self + use<E>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = address.to_owned();
        move |source| Self::Remote { what, address: address.clone(), source: source.into() }
    }
}
