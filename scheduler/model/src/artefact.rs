//! Files that go with a job: what is brought to a node, and what is brought back.

use serde::{Deserialize, Serialize};

use crate::Hash;

/// A file of known content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artefact {
    /// Relative to the working folder of its task, with `/` between folders, never with `..`.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub digest: Hash,
}

/// Bytes in the scheduler's store of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// SHA-256, by which the store knows them.
    pub digest: Hash,
    /// How many.
    pub bytes: u64,
}

/// What a task has saved, as its next attempt finds it: a tar of the folder `REPOWER_CHECKPOINT_DIR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the attempt that has saved it.
    pub number: u32,
    /// Where it is.
    pub stored: Stored,
}

/// A file, or a folder as an archive, that a task finds in its working folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Where its content comes from.
    pub source: Source,
    /// Where it is put, relative to the working folder; of an archive, the folder.
    pub path: String,
    /// Whether it is a tar archive that is unpacked at `path`.
    pub unpack: bool,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Where the content of an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The scheduler's store of artefacts.
    Stored {
        /// SHA-256 of the content, by which the store knows it.
        digest: Hash,
        /// How long it is.
        bytes: u64,
    },
    /// Somewhere else: `http://`, `https://`, `s3://`, or `file://` on the node.
    Url {
        /// Where.
        url: String,
        /// What its content must be; `None`: anything.
        digest: Option<Hash>,
    },
}

impl Source {
    /// SHA-256 of the content, if it is known.
    pub fn digest(&self) -> Option<Hash> {
        match self {
            Self::Stored { digest, .. } => Some(*digest),
            Self::Url { digest, .. } => *digest,
        }
    }
}

/// After which ends the outputs of a task are brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Keep {
    /// After every end of the program.
    #[default]
    Always,
    /// Only after success.
    OnSuccess,
    /// Only after a failure.
    OnFailure,
}

impl Keep {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Always, Self::OnSuccess, Self::OnFailure];

    /// The name, as options, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnSuccess => "success",
            Self::OnFailure => "failure",
        }
    }
}
