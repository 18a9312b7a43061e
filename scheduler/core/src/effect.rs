//! What is owed to the world once the facts of a turn are durable.

use repower_model::{
    ApprovalId, AttemptId, Hash, JobId, NodeId, RankId, ReservationId, StopReason, TaskId, TokenId,
};

use crate::fact::Fact;
use crate::reason::Reason;
use crate::refusal::Refusal;

/// What is owed. Doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell a node to start what it has of an attempt.
    Start {
        /// Where.
        node: NodeId,
        /// What.
        attempt: AttemptId,
    },
    /// Tell a node to stop one process of an attempt.
    Stop {
        /// Where.
        node: NodeId,
        /// What.
        rank: RankId,
        /// Why.
        why: StopReason,
    },
    /// Tell a node that what a task has saved there is of no use any more.
    DropCheckpoint {
        /// Where.
        node: NodeId,
        /// Whose.
        task: TaskId,
    },
    /// Remove from the store of artefacts what a task has saved, unless something else refers to it.
    DropStored {
        /// What.
        digest: Hash,
    },
    /// Tell a node to let a process stand still.
    Freeze {
        /// Where.
        node: NodeId,
        /// What.
        rank: RankId,
    },
    /// Tell a node to let a process go on, and to notice these rules no more.
    Thaw {
        /// Where.
        node: NodeId,
        /// What.
        rank: RankId,
        /// Codes of the rules.
        rules: Vec<String>,
    },
    /// Tell all nodes which programs must not run.
    Forbid,
    /// A job has left memory: links may forget it.
    Forget {
        /// Which.
        job: JobId,
    },
}

/// What one input came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What is now true, in order. Already applied; must be durable before anything below.
    pub facts: Vec<Fact>,
    /// What is owed to nodes.
    pub effects: Vec<Effect>,
    /// What the one who asked is told.
    pub answer: Answer,
}

/// What the one who asked is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// That it is done.
    Done,
    /// That the policy forbids it; this is in the journal.
    Refused(Refusal),
    /// The job that they submitted.
    Job {
        /// Its id.
        job: JobId,
        /// False if the key was known already.
        created: bool,
        /// How many tasks it has.
        tasks: u64,
        /// Why it waits for somebody.
        hold: Option<Reason>,
    },
    /// What a cancellation reached.
    Cancelled {
        /// Tasks that never start.
        pending: u64,
        /// Attempts that are being stopped.
        stopping: u64,
        /// Of these, the ones that have something on a node out of touch.
        out_of_touch: u64,
        /// Attempts that were ended in the books, because their nodes are out of touch.
        given_up: u64,
    },
    /// Where they may enter a task.
    Entered {
        /// Its process.
        rank: RankId,
        /// Where that is.
        node: NodeId,
    },
    /// The token that they made.
    Token(TokenId),
    /// The reservation that they made.
    Reservation(ReservationId),
    /// The approval that they gave, and how many jobs it lets go.
    Approval {
        /// Its number.
        id: ApprovalId,
        /// How many jobs that waited for a review go by it.
        jobs: u64,
    },
    /// The policy that is in force.
    Policy {
        /// Whether it is another one than before.
        changed: bool,
        /// Jobs that wait because of it, though they would not have before.
        held: u64,
        /// Attempts of them that run, and go on.
        running: u64,
    },
    /// The node that was enrolled.
    Node(NodeId),
}
