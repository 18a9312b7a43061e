//! Names of attempts, and why they are told to stop.

use repower_model::{AttemptId, JobId, StopReason, TaskId};

use super::{ConvertError, Problem};
use crate::v1;

impl From<AttemptId> for v1::AttemptRef {
    fn from(attempt: AttemptId) -> Self {
        Self { job: attempt.task.job.0, index: attempt.task.index, number: attempt.number }
    }
}

impl From<v1::AttemptRef> for AttemptId {
    fn from(attempt: v1::AttemptRef) -> Self {
        let task = TaskId { job: JobId(attempt.job), index: attempt.index };
        Self { task, number: attempt.number }
    }
}

impl From<StopReason> for v1::StopReason {
    fn from(why: StopReason) -> Self {
        match why {
            StopReason::Cancelled => Self::Cancelled,
            StopReason::Recalled => Self::Recalled,
            StopReason::Stale => Self::Stale,
            StopReason::Preempted => Self::Preempted,
        }
    }
}

impl TryFrom<v1::StopReason> for StopReason {
    type Error = ConvertError;

    fn try_from(why: v1::StopReason) -> Result<Self, ConvertError> {
        match why {
            v1::StopReason::Unspecified => {
                Err(ConvertError::new("reason", Problem::Unknown { value: 0 }))
            }
            v1::StopReason::Cancelled => Ok(Self::Cancelled),
            v1::StopReason::Recalled => Ok(Self::Recalled),
            v1::StopReason::Stale => Ok(Self::Stale),
            v1::StopReason::Preempted => Ok(Self::Preempted),
        }
    }
}
