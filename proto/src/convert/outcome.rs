//! How attempts end, what they used, and what becomes of their tasks.

use repower_model::{Fault, Outcome, Sequel, Usage};

use super::{ConvertError, Problem};
use crate::v1;

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let of = |kind: v1::OutcomeKind| Self { kind: kind.into(), ..Self::default() };
        match outcome {
            Outcome::Exited { code } => Self { exit_code: *code, ..of(v1::OutcomeKind::Exited) },
            Outcome::Signalled { signal } => {
                Self { signal: *signal, ..of(v1::OutcomeKind::Signalled) }
            }
            Outcome::TimedOut => of(v1::OutcomeKind::TimedOut),
            Outcome::Cancelled => of(v1::OutcomeKind::Cancelled),
            Outcome::NotStarted { detail } => {
                Self { detail: detail.clone(), ..of(v1::OutcomeKind::NotStarted) }
            }
            Outcome::Lost { detail } => {
                Self { detail: detail.clone(), ..of(v1::OutcomeKind::Lost) }
            }
            Outcome::Recalled => of(v1::OutcomeKind::Recalled),
            Outcome::OutOfMemory => of(v1::OutcomeKind::OutOfMemory),
            Outcome::Preempted => of(v1::OutcomeKind::Preempted),
            Outcome::Drained => of(v1::OutcomeKind::Drained),
            Outcome::Checkpointed { code } => {
                Self { exit_code: *code, ..of(v1::OutcomeKind::Checkpointed) }
            }
            Outcome::Finding { detail } => {
                Self { detail: detail.clone(), ..of(v1::OutcomeKind::Finding) }
            }
        }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = ConvertError;

    fn try_from(outcome: v1::Outcome) -> Result<Self, ConvertError> {
        match outcome.kind() {
            v1::OutcomeKind::Unspecified => {
                Err(ConvertError::new("kind", Problem::Unknown { value: outcome.kind }))
            }
            v1::OutcomeKind::Exited => Ok(Self::Exited { code: outcome.exit_code }),
            v1::OutcomeKind::Signalled => Ok(Self::Signalled { signal: outcome.signal }),
            v1::OutcomeKind::TimedOut => Ok(Self::TimedOut),
            v1::OutcomeKind::Cancelled => Ok(Self::Cancelled),
            v1::OutcomeKind::NotStarted => Ok(Self::NotStarted { detail: outcome.detail }),
            v1::OutcomeKind::Lost => Ok(Self::Lost { detail: outcome.detail }),
            v1::OutcomeKind::Recalled => Ok(Self::Recalled),
            v1::OutcomeKind::OutOfMemory => Ok(Self::OutOfMemory),
            v1::OutcomeKind::Preempted => Ok(Self::Preempted),
            v1::OutcomeKind::Drained => Ok(Self::Drained),
            v1::OutcomeKind::Checkpointed => Ok(Self::Checkpointed { code: outcome.exit_code }),
            v1::OutcomeKind::Finding => Ok(Self::Finding { detail: outcome.detail }),
        }
    }
}

impl From<Usage> for v1::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            wall_us: usage.wall_us,
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
            stdout_bytes: usage.stdout_bytes,
            stderr_bytes: usage.stderr_bytes,
            truncated: usage.truncated,
            read_bytes: usage.read_bytes,
            written_bytes: usage.written_bytes,
            oom_kills: usage.oom_kills,
        }
    }
}

impl From<v1::Usage> for Usage {
    fn from(usage: v1::Usage) -> Self {
        Self {
            wall_us: usage.wall_us,
            cpu_us: usage.cpu_us,
            peak_memory_bytes: usage.peak_memory_bytes,
            stdout_bytes: usage.stdout_bytes,
            stderr_bytes: usage.stderr_bytes,
            truncated: usage.truncated,
            read_bytes: usage.read_bytes,
            written_bytes: usage.written_bytes,
            oom_kills: usage.oom_kills,
        }
    }
}

impl From<Sequel> for v1::Sequel {
    fn from(sequel: Sequel) -> Self {
        match sequel {
            Sequel::Succeeded => Self::Succeeded,
            Sequel::Failed => Self::Failed,
            Sequel::Cancelled => Self::Cancelled,
            Sequel::Again => Self::Again,
        }
    }
}

impl TryFrom<v1::Sequel> for Sequel {
    type Error = ConvertError;

    fn try_from(sequel: v1::Sequel) -> Result<Self, ConvertError> {
        match sequel {
            v1::Sequel::Unspecified => {
                Err(ConvertError::new("sequel", Problem::Unknown { value: 0 }))
            }
            v1::Sequel::Succeeded => Ok(Self::Succeeded),
            v1::Sequel::Failed => Ok(Self::Failed),
            v1::Sequel::Cancelled => Ok(Self::Cancelled),
            v1::Sequel::Again => Ok(Self::Again),
        }
    }
}

impl From<Fault> for v1::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::None => Self::None,
            Fault::User => Self::User,
            Fault::System => Self::System,
        }
    }
}

impl TryFrom<v1::Fault> for Fault {
    type Error = ConvertError;

    fn try_from(fault: v1::Fault) -> Result<Self, ConvertError> {
        match fault {
            v1::Fault::Unspecified => {
                Err(ConvertError::new("fault", Problem::Unknown { value: 0 }))
            }
            v1::Fault::None => Ok(Self::None),
            v1::Fault::User => Ok(Self::User),
            v1::Fault::System => Ok(Self::System),
        }
    }
}
