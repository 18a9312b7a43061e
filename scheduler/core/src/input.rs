//! What may happen to the engine.

use repower_model::{
    ApprovalId, Evidence, FindingId, FindingState, Hash, Image, IndexRange, Instance, Inventory,
    JobId, JobSpec, JobState, Key, Mark, NodeId, Outcome, Progress, RankId, ReservationId, Role,
    StopCause, StopStep, Stored, TaskId, Timestamp, TokenId, TokenKind, Usage, Verdict,
};

use crate::fact::OutputsKept;

/// What may happen. Inputs of one batch are turned in the order: reports, submissions and
/// commands, signals, ticks, then one [`Input::Schedule`]; ties by id.
#[derive(Debug, Clone)]
pub enum Input {
    /// The journal is empty: found the cell.
    Found {
        /// Its name.
        cell: String,
        /// Version of the program.
        version: String,
    },
    /// An operator brings a policy. The same text again changes nothing.
    Adopt {
        /// TOML.
        text: String,
        /// Who; empty: the scheduler, at its start.
        by: String,
        /// Only if this is in force; `None`: whichever is.
        replaces: Option<Hash>,
    },
    /// Somebody submits a job.
    Submit(Box<Submit>),
    /// Somebody cancels a job or some of its tasks.
    Cancel {
        /// Which job.
        job: JobId,
        /// Which indices; `None`: all.
        tasks: Option<Vec<IndexRange>>,
        /// Who.
        by: String,
        /// As what; jobs of others only operators cancel.
        role: Role,
        /// Why.
        reason: String,
    },
    /// Somebody approves or denies a job that waits for review.
    Review {
        /// Which.
        job: JobId,
        /// Whether it may run.
        approve: bool,
        /// Who.
        by: String,
        /// Why; not empty.
        reason: String,
    },
    /// Somebody lets jobs of a kind run for a time.
    Approve(Box<Approve>),
    /// Somebody ends an approval before its time.
    Unapprove {
        /// Which.
        id: ApprovalId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody runs a command in the box of a running task.
    Enter(Box<Enter>),
    /// Somebody makes a token.
    Issue {
        /// What it allows.
        kind: TokenKind,
        /// A person's role; `None`: of a join token.
        role: Option<Role>,
        /// The person's name, or the node's; empty: any node.
        name: String,
        /// SHA-256 of the secret.
        hash: Hash,
        /// Until when.
        expires: Option<Timestamp>,
        /// Who makes it.
        by: String,
    },
    /// Somebody takes a token back.
    Revoke {
        /// Which.
        id: TokenId,
        /// Who.
        by: String,
        /// As what; of others only operators take one back.
        role: Role,
    },
    /// An agent trades a join token for a certificate.
    Enrol {
        /// SHA-256 of the secret that it showed.
        secret: Hash,
        /// The name that it wants.
        name: String,
        /// SHA-256 of the certificate that it will get.
        fingerprint: Hash,
    },
    /// An agent opened its link.
    Hello {
        /// Which node, by its certificate.
        node: NodeId,
        /// The agent's process.
        instance: Instance,
        /// What it found.
        inventory: Box<Inventory>,
        /// Every process that it still knows: waiting, running, or ended and not acknowledged.
        held: Vec<RankId>,
        /// Tasks of which it has a folder with saved work.
        saved: Vec<TaskId>,
    },
    /// An agent reports.
    Report {
        /// Which node.
        node: NodeId,
        /// What.
        report: Report,
    },
    /// A node's lease ran out.
    Silent {
        /// Which.
        node: NodeId,
        /// What was seen.
        reason: String,
    },
    /// A node's agent ended in order.
    Goodbye {
        /// Which.
        node: NodeId,
        /// What it said.
        reason: String,
    },
    /// Somebody cancels a job or some of its tasks, and what of them is on nodes out of touch ends at
    /// once in the books; it may still run there.
    GiveUp {
        /// Which job.
        job: JobId,
        /// Which indices; `None`: all.
        tasks: Option<Vec<IndexRange>>,
        /// Who.
        by: String,
        /// As what; jobs of others only operators cancel.
        role: Role,
        /// Why.
        reason: String,
    },
    /// An operator gives a node no new work.
    Drain {
        /// Which.
        node: NodeId,
        /// What becomes of what it has.
        rest: Rest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator gives a node work again.
    Resume {
        /// Which.
        node: NodeId,
        /// Who.
        by: String,
    },
    /// An operator keeps nodes for a time.
    Reserve(Box<Reserve>),
    /// An operator ends a reservation.
    Unreserve {
        /// Which.
        id: ReservationId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A named person decides about a finding.
    Decide(Box<Decide>),
    /// A named person forbids a program everywhere.
    Quarantine {
        /// SHA-256 of its file.
        digest: Hash,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A named person lets a program run again.
    Release {
        /// SHA-256 of its file.
        digest: Hash,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Look for places for what waits.
    Schedule,
}

/// A named person decides about a finding.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which.
    pub finding: FindingId,
    /// What it is from now on; never open.
    pub state: FindingState,
    /// Who.
    pub by: String,
    /// As what: operators decide, and whoever submitted the job appeals.
    pub role: Role,
    /// Why.
    pub reason: String,
    /// With [`FindingState::Confirmed`]: whether its programs are forbidden everywhere.
    pub quarantine: bool,
}

/// What an agent has noticed about one of its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Which.
    pub rank: RankId,
    /// By which rules.
    pub verdicts: Vec<Verdict>,
    /// What it runs.
    pub images: Vec<Image>,
    /// What was seen.
    pub evidence: Option<Evidence>,
}

/// What becomes of what a node has that gets no new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It comes to its own end.
    Finishes,
    /// It is stopped in order, and tried elsewhere.
    Stops,
    /// The node is lost and will not come back: what it kept is tried elsewhere.
    IsGivenUp,
}

/// A submission.
#[derive(Debug, Clone)]
pub struct Submit {
    /// Made by the client; the same key again gives the same job.
    pub key: Key,
    /// Who.
    pub submitter: String,
    /// What.
    pub spec: JobSpec,
    /// SHA-256 of the specification as it came.
    pub spec_hash: Hash,
    /// How jobs that it depends on ended, of those that have left memory.
    pub past: Vec<(JobId, JobState)>,
    /// What was found in what it brings along; at most [`Mark::MOST`].
    pub marks: Vec<Mark>,
    /// The policy by whose words it was looked at; `None`: nobody has looked.
    pub looked_by: Option<Hash>,
}

/// Jobs that are to run without a review of their own.
#[derive(Debug, Clone)]
pub struct Approve {
    /// Of which class.
    pub class: String,
    /// Of which project; `None`: of any.
    pub project: Option<String>,
    /// What they run; `None`: anything in which nothing was found.
    pub content: Option<Hash>,
    /// Up to this.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why; not empty.
    pub reason: String,
}

/// A command that somebody runs in the box of a running task.
#[derive(Debug, Clone)]
pub struct Enter {
    /// Which task.
    pub task: TaskId,
    /// Of a gang: in which of its processes' boxes.
    pub rank: u32,
    /// Who.
    pub by: String,
    /// As what; tasks of others only operators enter.
    pub role: Role,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Nodes that are to be kept for a time.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// Which.
    pub nodes: Vec<NodeId>,
    /// From when on; `None`: from now on.
    pub from: Option<Timestamp>,
    /// Up to this.
    pub until: Timestamp,
    /// Whose tasks may run there; `None`: nobody's.
    pub project: Option<String>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What an agent reports of a process: of a plain attempt, or of a rank of a gang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Its process runs.
    Started {
        /// Which.
        rank: RankId,
        /// Since when.
        started: Timestamp,
    },
    /// Outputs of it are in the store of artefacts. Comes before its end.
    Kept(Box<OutputsKept>),
    /// What a process has said last of its progress. Comes before its end.
    Claimed {
        /// Whose.
        rank: RankId,
        /// What it has said.
        progress: Box<Progress>,
    },
    /// What it has saved is in the store of artefacts, or cannot be brought there. Comes before its end.
    Saved {
        /// Which.
        rank: RankId,
        /// What of it is in the store, or why nothing is.
        kept: Result<Stored, String>,
    },
    /// It was sent a signal, so that it ends.
    Stopping {
        /// Which.
        rank: RankId,
        /// How far the stop is.
        step: StopStep,
        /// Why it is stopped.
        cause: StopCause,
        /// The signal's number.
        signal: i32,
        /// When.
        taken: Timestamp,
    },
    /// It is not what its job declares, it seems.
    Noticed(Box<Noticed>),
    /// It has ended, and all of its output is durable.
    Ended {
        /// Which.
        rank: RankId,
        /// How.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
        /// Since when it ran; `None`: it never did.
        started: Option<Timestamp>,
        /// When it ended.
        ended: Timestamp,
    },
}
