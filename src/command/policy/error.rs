//! Why a policy cannot be used.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use repower_admission::Rules;
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
    Wrong { path: PathBuf, source: Faults },
    #[error("{path} has rules of YARA that cannot be used", path = path.display())]
    Rules { path: PathBuf, source: Told },
    #[error("the policy in force cannot be read by this command line")]
    Newer { source: PolicyError },
}

/// All that is wrong with a policy: each is the cause of the one before, so that all of them are told.
#[derive(Debug)]
pub(super) struct Faults {
    first: PolicyError,
    rest: Option<Box<Faults>>,
}

impl Faults {
    /// Of a list, in its order; `None`: nothing is wrong.
    pub(super) fn of(list: Vec<PolicyError>) -> Option<Self> {
        let chain = |rest: Option<Self>, first| Some(Self { first, rest: rest.map(Box::new) });
        list.into_iter().rev().fold(None, chain)
    }

    fn has(&self, which: &PolicyError) -> bool {
        self.first == *which || self.rest.as_ref().is_some_and(|rest| rest.has(which))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl Error for Faults {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.rest.as_deref().map(|rest| rest as &dyn Error)
    }
}

/// Sentences about what is wrong, each the cause of the one before.
#[derive(Debug)]
pub(super) struct Told {
    first: String,
    rest: Option<Box<Told>>,
}

impl Told {
    /// Of sentences, in their order; `None`: there are none.
    pub(super) fn of(list: Vec<String>) -> Option<Self> {
        let chain = |rest: Option<Self>, first| Some(Self { first, rest: rest.map(Box::new) });
        list.into_iter().rev().fold(None, chain)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.rest.as_deref().map(|rest| rest as &dyn Error)
    }
}

impl Explain for CheckError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check its name and permissions".to_owned(),
            Self::NoFile { .. } => "write the policy to a file, and name that".to_owned(),
            Self::TooLarge { .. } => "a policy has a few lines for each class".to_owned(),
            Self::Wrong { source: Faults { first: PolicyError::Newer { .. }, .. }, .. } => {
                "use it with a later release, or write it in the format of this one".to_owned()
            }
            Self::Wrong { source, .. } if source.has(&PolicyError::NothingRuns) => {
                "to stop new work, drain the nodes: `repower drain NODE`".to_owned()
            }
            Self::Rules { .. } if Rules::BUILT => {
                "modules and includes are not there; see docs/policy.md".to_owned()
            }
            Self::Rules { .. } => {
                "`cargo build --release --features yara` makes a build that has them".to_owned()
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
