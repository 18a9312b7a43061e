//! The words that stand in the columns of the projections.

use repower_model::{Fault, JobState, Outcome, Sequel};

pub(super) fn job_state(word: &str) -> Option<JobState> {
    use JobState::{Cancelled, Failed, Held, Pending, Running, Succeeded};
    [Held, Pending, Running, Succeeded, Failed, Cancelled]
        .into_iter()
        .find(|state| state.as_str() == word)
}

pub(super) fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "none",
        Fault::User => "user",
        Fault::System => "system",
    }
}

pub(super) fn fault_of(word: &str) -> Option<Fault> {
    [Fault::None, Fault::User, Fault::System].into_iter().find(|it| fault(*it) == word)
}

pub(super) fn sequel(sequel: Sequel) -> &'static str {
    match sequel {
        Sequel::Succeeded => "succeeded",
        Sequel::Failed => "failed",
        Sequel::Cancelled => "cancelled",
        Sequel::Again => "again",
    }
}

pub(super) fn sequel_of(word: &str) -> Option<Sequel> {
    let all = [Sequel::Succeeded, Sequel::Failed, Sequel::Cancelled, Sequel::Again];
    all.into_iter().find(|it| sequel(*it) == word)
}

/// What an outcome says beside its code: exit code, signal, detail.
pub(super) fn parts(outcome: &Outcome) -> (Option<i32>, Option<i32>, Option<&str>) {
    match outcome {
        Outcome::Exited { code } | Outcome::Checkpointed { code } => (Some(*code), None, None),
        Outcome::Signalled { signal } => (None, Some(*signal), None),
        Outcome::NotStarted { detail } | Outcome::Lost { detail } | Outcome::Finding { detail } => {
            (None, None, Some(detail))
        }
        Outcome::TimedOut
        | Outcome::Cancelled
        | Outcome::Recalled
        | Outcome::OutOfMemory
        | Outcome::Preempted
        | Outcome::Drained => (None, None, None),
    }
}

/// Puts an outcome together again; `None` if the code is not known or its part is missing.
pub(super) fn outcome(
    code: &str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    detail: Option<String>,
) -> Option<Outcome> {
    let plain = [
        Outcome::TimedOut,
        Outcome::Cancelled,
        Outcome::Recalled,
        Outcome::OutOfMemory,
        Outcome::Preempted,
        Outcome::Drained,
    ];
    let exited = exit_code.map(|code| [Outcome::Exited { code }, Outcome::Checkpointed { code }]);
    let signalled = signal.map(|signal| Outcome::Signalled { signal });
    let told = detail.map(|detail| {
        [
            Outcome::NotStarted { detail: detail.clone() },
            Outcome::Lost { detail: detail.clone() },
            Outcome::Finding { detail },
        ]
    });
    let all = plain
        .into_iter()
        .chain(exited.into_iter().flatten())
        .chain(signalled)
        .chain(told.into_iter().flatten());
    all.into_iter().find(|outcome| outcome.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_read_back_from_its_columns() {
        for it in [
            Outcome::Exited { code: 3 },
            Outcome::Signalled { signal: 9 },
            Outcome::TimedOut,
            Outcome::Cancelled,
            Outcome::NotStarted { detail: "no such file".to_owned() },
            Outcome::Lost { detail: String::new() },
            Outcome::Recalled,
            Outcome::OutOfMemory,
            Outcome::Preempted,
            Outcome::Drained,
            Outcome::Checkpointed { code: 85 },
            Outcome::Finding { detail: "finding 3".to_owned() },
        ] {
            let (exit_code, signal, detail) = parts(&it);
            assert_eq!(outcome(it.code(), exit_code, signal, detail.map(str::to_owned)), Some(it));
        }
    }
}
