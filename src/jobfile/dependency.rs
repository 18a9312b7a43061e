//! What a job waits for: `12`, `ok:12`, `not-ok:12`, `any:12`, and per task `12:each`.

use std::str::FromStr;

use repower_proto::v1::{self, DependencyKind};

use super::reference::{Reference, ReferenceError};

/// A job that must have ended before, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    job: u64,
    kind: DependencyKind,
    per_task: bool,
}

/// Why a text is not a dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AfterError {
    /// The word before the colon is not known.
    #[error("`{0}` is not a way to end: ok, not-ok and any are")]
    Kind(String),
    /// The word behind the number is not known.
    #[error("`{0}` cannot stand behind a job's number: only `each` can, as in 12:each")]
    Scope(String),
    /// What should be a job is not.
    #[error(transparent)]
    Job(#[from] ReferenceError),
    /// Jobs depend on whole jobs, or each task on the one of its index.
    #[error("`{0}` is a task; a job can only wait for whole jobs, or with `:each` task for task")]
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
        v1::Dependency { job: self.job, kind: self.kind.into(), per_task: self.per_task }
    }
}

impl FromStr for After {
    type Err = AfterError;

    fn from_str(text: &str) -> Result<Self, AfterError> {
        let (kind, job) = match text.split_once(':') {
            None | Some((_, "each")) => (DependencyKind::Ok, text),
            Some(("ok", job)) => (DependencyKind::Ok, job),
            Some(("not-ok", job)) => (DependencyKind::NotOk, job),
            Some(("any", job)) => (DependencyKind::Any, job),
            Some((number, scope)) if is_number(number) => {
                return Err(AfterError::Scope(scope.to_owned()));
            }
            Some((kind, _)) => return Err(AfterError::Kind(kind.to_owned())),
        };
        if let Some((number, scope)) = job.split_once(':').filter(|(_, scope)| *scope != "each")
            && is_number(number)
        {
            return Err(AfterError::Scope(scope.to_owned()));
        }
        let (job, per_task) = job.strip_suffix(":each").map_or((job, false), |job| (job, true));
        let named: Reference = job.parse()?;
        if named.index.is_some() {
            return Err(AfterError::Task(job.to_owned()));
        }
        Ok(Self { job: named.job, kind, per_task })
    }
}

/// Reads only a job's number, perhaps with `:each`, for options that say the kind by their name.
///
/// # Errors
///
/// As when parsing [`After`]; a kind before the number is not one either.
pub fn job_only(text: &str) -> Result<After, AfterError> {
    match text.strip_suffix(":each").unwrap_or(text).split_once(':') {
        Some((number, _)) if is_number(number) => text.parse(),
        Some((kind, _)) => Err(AfterError::Kind(kind.to_owned())),
        None => text.parse(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
    fn each_says_that_tasks_wait_for_tasks() {
        let each =
            |text: &str| text.parse::<After>().map(|read| (read.job, read.kind, read.per_task));

        assert_eq!(each("12:each"), Ok((12, DependencyKind::Ok, true)));
        assert_eq!(each("any:12:each"), Ok((12, DependencyKind::Any, true)));
        assert_eq!(each("12"), Ok((12, DependencyKind::Ok, false)));
        assert!(each("each").is_err());
        assert!(each("each:12").is_err());
        assert!(job_only("12:each").is_ok_and(|read| read.per_task));
        assert_eq!(job_only("ok:12:each"), Err(AfterError::Kind("ok".into())));
    }

    #[test]
    fn a_bad_dependency_says_what_is_wrong_with_it() {
        assert_eq!(
            after("fine:12"),
            Err("`fine` is not a way to end: ok, not-ok and any are".into())
        );
        let scope = "`eahc` cannot stand behind a job's number: only `each` can, as in 12:each";
        assert_eq!(after("12:eahc"), Err(scope.into()));
        assert_eq!(after("any:12:eahc"), Err(scope.into()));
        assert_eq!(job_only("12:eahc"), Err(AfterError::Scope("eahc".into())));
        assert_eq!(
            after("12.3"),
            Err("`12.3` is a task; a job can only wait for whole jobs, or with `:each` task for task"
                .into())
        );
        assert_eq!(after("ok:x"), Err("`x` is not a job: write its number, for example 12".into()));
    }
}
