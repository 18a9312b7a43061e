//! Where jobs and tasks are.

use repower_model::{DependencyKind, JobState, TaskState};

use super::{ConvertError, Problem};
use crate::v1;

impl From<JobState> for v1::JobState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Held => Self::Held,
            JobState::Pending => Self::Pending,
            JobState::Running => Self::Running,
            JobState::Succeeded => Self::Succeeded,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl TryFrom<v1::JobState> for JobState {
    type Error = ConvertError;

    fn try_from(state: v1::JobState) -> Result<Self, ConvertError> {
        match state {
            v1::JobState::Unspecified => {
                Err(ConvertError::new("state", Problem::Unknown { value: 0 }))
            }
            v1::JobState::Held => Ok(Self::Held),
            v1::JobState::Pending => Ok(Self::Pending),
            v1::JobState::Running => Ok(Self::Running),
            v1::JobState::Succeeded => Ok(Self::Succeeded),
            v1::JobState::Failed => Ok(Self::Failed),
            v1::JobState::Cancelled => Ok(Self::Cancelled),
        }
    }
}

impl From<TaskState> for v1::TaskState {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Pending => Self::Pending,
            TaskState::Placed => Self::Placed,
            TaskState::Running => Self::Running,
            TaskState::Stopping => Self::Stopping,
            TaskState::OutOfTouch => Self::OutOfTouch,
            TaskState::Succeeded => Self::Succeeded,
            TaskState::Failed => Self::Failed,
            TaskState::Cancelled => Self::Cancelled,
        }
    }
}

impl TryFrom<v1::TaskState> for TaskState {
    type Error = ConvertError;

    fn try_from(state: v1::TaskState) -> Result<Self, ConvertError> {
        match state {
            v1::TaskState::Unspecified => {
                Err(ConvertError::new("state", Problem::Unknown { value: 0 }))
            }
            v1::TaskState::Pending => Ok(Self::Pending),
            v1::TaskState::Placed => Ok(Self::Placed),
            v1::TaskState::Running => Ok(Self::Running),
            v1::TaskState::Stopping => Ok(Self::Stopping),
            v1::TaskState::OutOfTouch => Ok(Self::OutOfTouch),
            v1::TaskState::Succeeded => Ok(Self::Succeeded),
            v1::TaskState::Failed => Ok(Self::Failed),
            v1::TaskState::Cancelled => Ok(Self::Cancelled),
        }
    }
}

impl From<DependencyKind> for v1::DependencyKind {
    fn from(kind: DependencyKind) -> Self {
        match kind {
            DependencyKind::Ok => Self::Ok,
            DependencyKind::NotOk => Self::NotOk,
            DependencyKind::Any => Self::Any,
        }
    }
}

impl TryFrom<v1::DependencyKind> for DependencyKind {
    type Error = ConvertError;

    fn try_from(kind: v1::DependencyKind) -> Result<Self, ConvertError> {
        match kind {
            v1::DependencyKind::Unspecified => {
                Err(ConvertError::new("kind", Problem::Unknown { value: 0 }))
            }
            v1::DependencyKind::Ok => Ok(Self::Ok),
            v1::DependencyKind::NotOk => Ok(Self::NotOk),
            v1::DependencyKind::Any => Ok(Self::Any),
        }
    }
}
