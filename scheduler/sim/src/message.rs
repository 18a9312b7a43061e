//! What travels on links: the words of `repower/v1/agent.proto`, without their bytes.

use std::sync::Arc;

use repower_agent_core::{Moment, Report};
use repower_model::{
    AttemptId, Checkpoint, Instance, Inventory, JobId, JobSpec, RankId, Rendezvous, Span,
    StopReason, TaskId,
};

/// A link: one stream of an agent to the scheduler. Ids only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// From agent to scheduler.
#[derive(Debug, Clone)]
pub(crate) enum Up {
    /// The first message of a link.
    Hello(Box<Hello>),
    /// The agent is there; with what its steady clock says.
    Heartbeat(Moment),
    /// What has happened, in order.
    Reports {
        /// Sequence of the first one.
        first: u64,
        /// The reports.
        reports: Vec<Report>,
    },
    /// The agent ends in order.
    Goodbye,
}

/// Who is there, and what it still knows.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    pub(crate) instance: Instance,
    pub(crate) inventory: Inventory,
    pub(crate) held: Vec<RankId>,
}

/// From scheduler to agent.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    /// The answer to a hello.
    Welcome {
        /// Without contact for this long the scheduler gives the node up.
        lease: Span,
    },
    /// What to do, in order.
    Orders(Vec<Order>),
    /// Every report up to and including this one is durable.
    Acknowledged(u64),
    /// The answer to a heartbeat, with what that said.
    Answered(Moment),
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// What the tasks of a job share.
    Define {
        job: JobId,
        spec: Box<JobSpec>,
        tasks: u64,
    },
    /// No more tasks of it come without a new definition.
    Forget(JobId),
    /// By this of its job's amounts, and of a gang with what its ranks are told.
    Start(AttemptId, Option<u32>, Option<Arc<Rendezvous>>, Option<Checkpoint>),
    DropCheckpoint(TaskId),
    Stop(RankId, StopReason),
    Freeze(RankId),
    Thaw(RankId, Vec<String>),
}
