//! What a job waits for: `12`, `ok:12`, `not-ok:12`, `any:12`.

use std::str::FromStr;

use repower_proto::v1::{self, DependencyKind};

use super::reference::{Reference, ReferenceError};

/// A job that must have ended before, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    job: u64,
    kind: DependencyKind,
}

/// Why a text is not a dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AfterError {
    /// The word before the colon is not known.
    #[error("`{0}` is not a way to end: ok, not-ok and any are")]
    Kind(String),
    /// What should be a job is not.
    #[error(transparent)]
    Job(#[from] ReferenceError),
    /// Jobs depend on whole jobs.
    #[error("`{0}` is a task; a job can only wait for whole jobs")]
    Task(String),
}

impl After {
    /// Returns the same with the kind set, for options that say it by their name.
    #[must_use]
    pub fn of_kind(self, kind: DependencyKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the dependency as the wire has it.
    pub fn into_wire(self) -> v1::Dependency {
        v1::Dependency { job: self.job, kind: self.kind.into(), per_task: false }
    }
}

impl FromStr for After {
    type Err = AfterError;

    fn from_str(text: &str) -> Result<Self, AfterError> {
        let (kind, job) = match text.split_once(':') {
            None => (DependencyKind::Ok, text),
            Some(("ok", job)) => (DependencyKind::Ok, job),
            Some(("not-ok", job)) => (DependencyKind::NotOk, job),
            Some(("any", job)) => (DependencyKind::Any, job),
            Some((kind, _)) => return Err(AfterError::Kind(kind.to_owned())),
        };
        let named: Reference = job.parse()?;
        if named.index.is_some() {
            return Err(AfterError::Task(job.to_owned()));
        }
        Ok(Self { job: named.job, kind })
    }
}

/// Reads only a job's number, for options that say the kind by their name.
///
/// # Errors
///
/// As when parsing [`After`]; a kind before the number is not one either.
pub fn job_only(text: &str) -> Result<After, AfterError> {
    match text.split_once(':') {
        Some((kind, _)) => Err(AfterError::Kind(kind.to_owned())),
        None => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Result<(u64, DependencyKind), String> {
        text.parse::<After>().map(|read| (read.job, read.kind)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_job_alone_must_have_succeeded() {
        assert_eq!(after("12"), Ok((12, DependencyKind::Ok)));
        assert_eq!(after("ok:12"), Ok((12, DependencyKind::Ok)));
        assert_eq!(after("not-ok:12"), Ok((12, DependencyKind::NotOk)));
        assert_eq!(after("any:12"), Ok((12, DependencyKind::Any)));
    }

    #[test]
    fn a_bad_dependency_says_what_is_wrong_with_it() {
        assert_eq!(
            after("fine:12"),
            Err("`fine` is not a way to end: ok, not-ok and any are".into())
        );
        assert_eq!(
            after("12.3"),
            Err("`12.3` is a task; a job can only wait for whole jobs".into())
        );
        assert_eq!(after("ok:x"), Err("`x` is not a job: write its number, for example 12".into()));
    }
}
