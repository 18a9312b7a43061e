//! Why a policy cannot be used.

use std::path::PathBuf;

use repower_core::policy::PolicyError;

use super::file::LARGEST;
use crate::failure::{Exit, Explain};

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error("cannot read the policy {path}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the policy {path} is no regular file", path = path.display())]
    NoFile { path: PathBuf },
    #[error("the policy {path} is larger than {LARGEST} bytes, the most that is read", path = path.display())]
    TooLarge { path: PathBuf },
    #[error("{path} is not a policy that can be adopted", path = path.display())]
    Wrong { path: PathBuf, source: PolicyError },
    #[error("the policy in force cannot be read by this command line")]
    Newer { source: PolicyError },
}

impl Explain for CheckError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check its name and permissions".to_owned(),
            Self::NoFile { .. } => "write the policy to a file, and name that".to_owned(),
            Self::TooLarge { .. } => "a policy has a few lines for each class".to_owned(),
            Self::Wrong { source: PolicyError::Newer { .. }, .. } => {
                "use it with a later release, or write it in the format of this one".to_owned()
            }
            Self::Wrong { source: PolicyError::NothingRuns, .. } => {
                "to stop new work, drain the nodes: `repower drain NODE`".to_owned()
            }
            Self::Wrong { .. } => {
                "`repower policy show --text` shows one that is well formed".to_owned()
            }
            Self::Newer { .. } => {
                "see it with --text, or use the release of the scheduler".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        Exit::FAILED
    }
}
