//! What is now true. Facts are the only thing that changes the state, at run time and at replay.

use std::sync::Arc;

use repower_model::{
    Approval, ApprovalId, Artefact, AttemptId, Dependency, Evidence, Fault, Finding, FindingId,
    FindingState, Hash, Image, IndexRange, Instance, Inventory, JobId, JobSpec, JobState, Key,
    Mark, NodeId, Outcome, Part, Progress, RankId, Reservation, ReservationId, Role, Sequel,
    StopCause, StopReason, StopStep, Stored, TaskId, Timestamp, TokenId, TokenKind, Usage, Verdict,
};

use crate::policy::Tier;

/// One fact, with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What is now true.
    pub fact: Fact,
}

/// What is now true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The first fact of every journal.
    CellFounded {
        /// The cell's name, as in the origin of its signed heads.
        cell: String,
        /// Version of Repower that founded it.
        version: String,
    },
    /// A policy is in force from here on.
    PolicyAdopted {
        /// The policy's own version.
        version: String,
        /// SHA-256 of its text.
        hash: Hash,
        /// Its TOML text.
        text: String,
        /// Who put it in force; empty: the scheduler, at its start.
        by: String,
    },
    /// A job was accepted.
    JobSubmitted(Box<JobSubmitted>),
    /// A submission that the policy forbids.
    SubmissionRefused(Box<SubmissionRefused>),
    /// Somebody approved or denied a job that waited for review.
    JobReviewed {
        /// Which.
        job: JobId,
        /// Whether it may run.
        approved: bool,
        /// Who decided.
        by: String,
        /// Why.
        reason: String,
        /// The policy in force then.
        policy: Hash,
        /// The approval that it rests on; `None`: somebody decided on this job.
        approval: Option<ApprovalId>,
    },
    /// Somebody lets jobs of a kind run for a time.
    ApprovalGiven(Box<Approval>),
    /// An approval is no longer good. Jobs that rest on it and have not started wait for a review.
    ApprovalEnded {
        /// Which.
        id: ApprovalId,
        /// Who ended it; the scheduler, when its time is over.
        by: String,
        /// Their words.
        reason: String,
        /// The policy in force then.
        policy: Hash,
    },
    /// A job that another waits for has ended.
    DependencySettled {
        /// The one that waits.
        job: JobId,
        /// The one that ended.
        on: JobId,
        /// Whether it ended as asked.
        met: bool,
    },
    /// Tasks that were pending never start.
    TasksCancelled {
        /// Of which job.
        job: JobId,
        /// Indices, ascending.
        tasks: Vec<IndexRange>,
        /// Who cancelled them.
        by: String,
        /// Why.
        reason: String,
    },
    /// All tasks of a job have ended.
    JobEnded {
        /// Which.
        job: JobId,
        /// How; always an end.
        state: JobState,
        /// How many tasks succeeded.
        succeeded: u64,
        /// How many failed.
        failed: u64,
        /// How many were cancelled.
        cancelled: u64,
        /// What `wait` exits with: 0, or that of the first task that failed.
        exit_code: i32,
    },
    /// A task was given to a node.
    AttemptPlaced {
        /// The attempt.
        attempt: AttemptId,
        /// Where.
        node: NodeId,
        /// Whether it waits there for a slot, beyond what is free now.
        runway: bool,
        /// Which of the job's amounts it got: 0 the first choice, else that alternative.
        alternative: u32,
        /// Of a gang: all its nodes, `node` the first. Empty for others.
        parts: Vec<Part>,
    },
    /// Others stop for a task, or are stopping: it gets their place, and nothing else does.
    PlacePromised {
        /// Which.
        task: TaskId,
        /// Where, ascending by node, with how many processes on each.
        parts: Vec<Part>,
        /// When the promise ends if the place has not become free.
        until: Timestamp,
    },
    /// Its process runs; all of them, if it is a gang.
    AttemptStarted {
        /// The attempt.
        attempt: AttemptId,
        /// Since when, by the clock of the node.
        started: Timestamp,
    },
    /// The node was told to end it.
    AttemptStopping {
        /// The attempt.
        attempt: AttemptId,
        /// What kind of stop.
        why: StopReason,
        /// Who wanted it.
        by: String,
        /// Their words.
        reason: String,
    },
    /// One process of a gang runs. When all of them do, the attempt does.
    RankStarted {
        /// Which.
        rank: RankId,
        /// Since when, by the clock of its node.
        started: Timestamp,
    },
    /// One process of a gang has ended. The first one that does not succeed ends the attempt: the nodes
    /// of the others are told so, and when all have ended, the attempt has.
    RankEnded(Box<RankEnded>),
    /// Outputs of a process are in the store of artefacts.
    OutputsKept(Box<OutputsKept>),
    /// What a process has said last of its progress, before its end. A claim: nobody has checked it.
    ProgressClaimed {
        /// Whose.
        rank: RankId,
        /// What it has said.
        progress: Box<Progress>,
    },
    /// An agent has signalled a process, so that it ends.
    StopStepTaken {
        /// Which process.
        rank: RankId,
        /// How far the stop is.
        step: StopStep,
        /// Why it is stopped.
        cause: StopCause,
        /// The signal's number.
        signal: i32,
        /// When, by the clock of the node.
        taken: Timestamp,
    },
    /// What an attempt has saved for the next one is in the store of artefacts, or could not be brought there.
    CheckpointSettled {
        /// Whose.
        attempt: AttemptId,
        /// What of it is in the store, or why nothing is.
        kept: Result<Stored, String>,
    },
    /// Somebody was let into the box of a running process, to run a command there.
    TaskEntered {
        /// Which process.
        rank: RankId,
        /// Who.
        by: String,
        /// The program and its arguments; very long ones are cut.
        command: Vec<String>,
    },
    /// It has ended; of a gang, all of its ranks have.
    AttemptEnded(Box<AttemptEnded>),
    /// A failed task goes back to pending, because its node turned out to be a black hole.
    TaskReturned {
        /// Which.
        task: TaskId,
        /// Where it had failed.
        node: NodeId,
    },
    /// A node has a certificate.
    NodeEnrolled {
        /// Its id; one that is known gets a new certificate.
        node: NodeId,
        /// Its name.
        name: String,
        /// SHA-256 of the certificate.
        fingerprint: Hash,
        /// The token that allowed it.
        token: TokenId,
    },
    /// A node's agent holds its lease, or said something new about its machine.
    NodeConnected {
        /// Which.
        node: NodeId,
        /// The agent's process.
        instance: Instance,
        /// What it found.
        inventory: Box<Inventory>,
    },
    /// A node's lease ran out.
    NodeLost {
        /// Which.
        node: NodeId,
        /// What was seen.
        reason: String,
    },
    /// A node's agent ended in order.
    NodeLeft {
        /// Which.
        node: NodeId,
        /// What it said.
        reason: String,
    },
    /// An operator gives a node no new work.
    NodeDrained {
        /// Which.
        node: NodeId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator gives a node work again.
    NodeResumed {
        /// Which.
        node: NodeId,
        /// Who.
        by: String,
    },
    /// Tasks fail fast on a node that pass elsewhere: it gets no new work.
    NodeHeldBack {
        /// Which.
        node: NodeId,
        /// The evidence.
        reason: String,
    },
    /// Nodes are kept for a time.
    ReservationMade(Box<Reservation>),
    /// Nodes are no longer kept.
    ReservationEnded {
        /// Which reservation.
        id: ReservationId,
        /// Who ended it; the scheduler, when its time is over.
        by: String,
        /// Their words.
        reason: String,
    },
    /// A token was made.
    TokenIssued {
        /// Which.
        id: TokenId,
        /// What it allows.
        kind: TokenKind,
        /// A person's role; `None`: of a join token, or of before there were roles.
        role: Option<Role>,
        /// The person's name, or the node's; empty: any node.
        name: String,
        /// SHA-256 of the secret.
        hash: Hash,
        /// Until when it is good; `None`: without end.
        expires: Option<Timestamp>,
        /// Who made it.
        by: String,
    },
    /// A join token has done its work.
    TokenUsed {
        /// Which.
        id: TokenId,
    },
    /// A token is no longer good.
    TokenRevoked {
        /// Which.
        id: TokenId,
        /// Who said so.
        by: String,
    },
    /// Something is not what it says it is.
    FindingOpened(Box<Finding>),
    /// It was noticed again, or more of it.
    FindingSeen(Box<FindingSeen>),
    /// A named person has decided.
    FindingReviewed {
        /// Which.
        finding: FindingId,
        /// What it is from now on.
        state: FindingState,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The policy in force then.
        policy: Hash,
    },
    /// A program must not run anywhere.
    DigestQuarantined {
        /// SHA-256 of its file.
        digest: Hash,
        /// The finding that has led to it.
        finding: Option<FindingId>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A program may run again.
    DigestReleased {
        /// SHA-256 of its file.
        digest: Hash,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// A job was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSubmitted {
    /// Its id.
    pub job: JobId,
    /// The client's key.
    pub key: Key,
    /// Who asked.
    pub submitter: String,
    /// What for.
    pub spec: Arc<JobSpec>,
    /// How the policy treats its class.
    pub tier: Tier,
    /// The policy that says so.
    pub policy: Hash,
    /// Whether it waits for a review.
    pub review: bool,
    /// Dependencies that have not been settled yet.
    pub waits_for: Vec<Dependency>,
    /// The approval that makes a review needless.
    pub approval: Option<ApprovalId>,
    /// What was found in what it brings along.
    pub marks: Vec<Mark>,
}

/// A submission that the policy forbids. Nothing of it was kept but this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionRefused {
    /// Who asked.
    pub submitter: String,
    /// The job's name.
    pub name: String,
    /// The class that it declared; empty: none.
    pub class: String,
    /// Stable code of the refusal.
    pub code: String,
    /// What the submitter was told.
    pub text: String,
    /// The policy that says so.
    pub policy: Hash,
    /// SHA-256 of the specification as it came.
    pub spec_hash: Hash,
    /// What was found in what it brings along.
    pub marks: Vec<Mark>,
}

/// One process of a gang has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankEnded {
    /// Which.
    pub rank: RankId,
    /// How.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Since when it ran; `None`: it never did.
    pub started: Option<Timestamp>,
    /// By the clock of the node, or of the scheduler if the node said nothing.
    pub ended: Timestamp,
}

/// Outputs of a process are in the store of artefacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputsKept {
    /// Whose.
    pub rank: RankId,
    /// Files, ascending by path.
    pub artefacts: Vec<Artefact>,
    /// What of the job's patterns matched nothing, and what could not be brought back and why.
    pub missing: Vec<String>,
}

/// An attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnded {
    /// The attempt.
    pub attempt: AttemptId,
    /// How.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Since when it ran; `None`: it never did.
    pub started: Option<Timestamp>,
    /// By the clock of the node, or of the scheduler if the node said nothing.
    pub ended: Timestamp,
    /// What becomes of the task.
    pub sequel: Sequel,
    /// With [`Sequel::Again`]: not before this.
    pub again_after: Option<Timestamp>,
    /// Whose fault it was.
    pub fault: Fault,
}

/// A finding was noticed again, or more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingSeen {
    /// Which.
    pub finding: FindingId,
    /// What was noticed, as far as it has changed.
    pub verdicts: Vec<Verdict>,
    /// Programs that are new.
    pub images: Vec<Image>,
    /// What was seen, if there is more of it.
    pub evidence: Option<Evidence>,
}
