//! Names of attempts and ranks, what ranks are told, and why they are told to stop.

use repower_model::{AttemptId, Host, JobId, RankId, Rendezvous, StopReason, TaskId};

use super::{ConvertError, Problem};
use crate::v1;

impl From<RankId> for v1::AttemptRef {
    fn from(RankId { attempt, rank }: RankId) -> Self {
        let AttemptId { task, number } = attempt;
        Self { job: task.job.0, index: task.index, number, rank }
    }
}

impl From<v1::AttemptRef> for RankId {
    fn from(attempt: v1::AttemptRef) -> Self {
        let task = TaskId { job: JobId(attempt.job), index: attempt.index };
        AttemptId { task, number: attempt.number }.rank(attempt.rank)
    }
}

impl From<TaskId> for v1::TaskRef {
    fn from(task: TaskId) -> Self {
        Self { job: task.job.0, index: task.index }
    }
}

impl From<v1::TaskRef> for TaskId {
    fn from(task: v1::TaskRef) -> Self {
        Self { job: JobId(task.job), index: task.index }
    }
}

impl From<&Rendezvous> for v1::Rendezvous {
    fn from(rendezvous: &Rendezvous) -> Self {
        let host = |host: &Host| v1::Host {
            name: host.name.clone(),
            address: host.address.clone(),
            ranks: host.ranks,
        };
        Self {
            hosts: rendezvous.hosts.iter().map(host).collect(),
            node_rank: rendezvous.node_rank,
            port: rendezvous.port.into(),
        }
    }
}

impl TryFrom<v1::Rendezvous> for Rendezvous {
    type Error = ConvertError;

    fn try_from(rendezvous: v1::Rendezvous) -> Result<Self, ConvertError> {
        let v1::Rendezvous { hosts, node_rank, port } = rendezvous;
        let too_large = |field, value: u32| {
            let value = i32::try_from(value).unwrap_or(i32::MAX);
            ConvertError::new(field, Problem::Unknown { value })
        };
        let port = u16::try_from(port).map_err(|_| too_large("rendezvous.port", port))?;
        if usize::try_from(node_rank).is_ok_and(|rank| rank >= hosts.len()) {
            return Err(too_large("rendezvous.node_rank", node_rank));
        }
        let host =
            |host: v1::Host| Host { name: host.name, address: host.address, ranks: host.ranks };
        Ok(Self { hosts: hosts.into_iter().map(host).collect(), node_rank, port })
    }
}

impl From<StopReason> for v1::StopReason {
    fn from(why: StopReason) -> Self {
        match why {
            StopReason::Cancelled => Self::Cancelled,
            StopReason::Recalled => Self::Recalled,
            StopReason::Stale => Self::Stale,
            StopReason::Preempted => Self::Preempted,
            StopReason::Drained => Self::Drained,
            StopReason::Checkpointed => Self::Checkpointed,
            StopReason::Finding => Self::Finding,
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
            v1::StopReason::Drained => Ok(Self::Drained),
            v1::StopReason::Checkpointed => Ok(Self::Checkpointed),
            v1::StopReason::Finding => Ok(Self::Finding),
        }
    }
}
