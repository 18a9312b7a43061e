//! What can go wrong with a ledger, apart from what the scheduler says.

use std::io;
use std::path::PathBuf;

use repower_store::FileError;
use repower_store::checkpoint::CheckpointError;
use repower_store::journal::ReadError;
use repower_store::merkle::ProofError;
use repower_store::note::KeyError;
use repower_store::verify::{FirstBad, OutsideError, VerifyError};

use crate::failure::{Exit, Explain};

/// Why something about a ledger could not be told, or does not hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    #[error(transparent)]
    Open(#[from] FileError),
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    #[error("the ledger cannot be verified")]
    Verify(#[from] VerifyError),
    #[error("the ledger has no facts: there is nothing that could hold")]
    Empty,
    #[error("the ledger does not say which key signs its heads")]
    NoKey,
    #[error("the key of the ledger is not one")]
    Key(#[from] KeyError),
    #[error("the ledger is signed with another key than the one that was kept outside")]
    OtherKey,
    #[error("the scheduler's answer has a hash of {length} bytes, not 32")]
    Hash { length: usize },
    #[error("the scheduler's answer lacks its {what}")]
    Lacks { what: &'static str },
    #[error("cannot read {path}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path} does not fit this ledger", path = path.display())]
    Outside { path: PathBuf, source: OutsideError },
    #[error("{path} has no signed head in it", path = path.display())]
    NoHead { path: PathBuf, source: CheckpointError },
    #[error("{path} has a head of {found}, and this ledger is {expected}", path = path.display())]
    OtherLedger { path: PathBuf, found: String, expected: String },
    #[error("the head does not hold")]
    Head(#[from] CheckpointError),
    #[error("the ledger does not hold")]
    Broken { source: FirstBad },
    #[error("the proof does not hold")]
    Proof { source: ProofError },
    #[error("fact {seq} is beyond the ledger, which has {size} facts")]
    Beyond { seq: u64, size: u64 },
}

impl Explain for LedgerError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open(error) => error.hint().to_owned(),
            Self::Read(_) => "`repower ledger verify --data FOLDER` names what is damaged".to_owned(),
            Self::Verify(error) => error.hint().to_owned(),
            Self::Empty => "a cell has facts from its first start on: if this one ever ran, its ledger was wiped".to_owned(),
            Self::NoKey | Self::Key(_) => "give the key that was kept outside: --key FILE".to_owned(),
            Self::OtherKey => {
                "the ledger was replaced, or --key belongs to another cell: ask the operator for the reason".to_owned()
            }
            Self::Hash { .. } | Self::Lacks { .. } => "use a command line of the scheduler's release".to_owned(),
            Self::File { .. } => "check its name and permissions".to_owned(),
            Self::Outside { .. } => {
                "the head names this ledger: if nobody tampered with the file, the ledger was signed anew and cannot be trusted".to_owned()
            }
            Self::NoHead { .. } => {
                "give a file with what `repower ledger head` printed".to_owned()
            }
            Self::OtherLedger { .. } => {
                "take a head of this cell, or ask the cell that the head is of".to_owned()
            }
            Self::Head(_) | Self::Proof { .. } => {
                "keep what you have and ask the operator: who answered is not to be trusted".to_owned()
            }
            Self::Broken { .. } => {
                "stop the scheduler, keep a copy of its data folder, and compare with a backup".to_owned()
            }
            Self::Beyond { .. } => "facts are counted from 0".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        Exit::FAILED
    }
}
