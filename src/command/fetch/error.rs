//! Why files cannot be fetched.

use std::io;
use std::path::PathBuf;

use repower_artefacts::{Escape, Fault};

use crate::failure::{Exit, Explain};

/// Why files cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{what} names an attempt, but outputs are those of the latest attempt that had any")]
    Attempt { what: String },
    #[error("{what} has brought nothing back")]
    Nothing { what: String },
    #[error("the file {} is there already, and is different", path.display())]
    Exists { path: PathBuf },
    #[error("cannot make or open the folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot write the file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the scheduler gives no digest for {path:?}")]
    Digest { path: String },
    #[error("a file would not stay in the folder")]
    Escape(#[from] Escape),
    #[error("a file cannot be fetched")]
    Fault(#[from] Fault),
}

impl Explain for FetchError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Attempt { .. } => "leave out the # and what follows".to_owned(),
            Self::Nothing { .. } => {
                "`repower show JOB` tells which outputs it asks for; they are there when a task has ended".to_owned()
            }
            Self::Exists { .. } => "fetch to another folder with --to, or replace it with --force".to_owned(),
            Self::Folder { .. } | Self::File { .. } => {
                "check its owner and permissions, or fetch to another folder with --to".to_owned()
            }
            Self::Digest { .. } | Self::Escape(_) => {
                "report this: the scheduler should not offer such a file".to_owned()
            }
            Self::Fault(fault) => fault.hint().to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Attempt { .. } => Exit::USAGE,
            Self::Nothing { .. }
            | Self::Exists { .. }
            | Self::Folder { .. }
            | Self::File { .. }
            | Self::Digest { .. }
            | Self::Escape(_)
            | Self::Fault(_) => Exit::FAILED,
        }
    }
}
