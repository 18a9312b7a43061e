//! Rows of the projections: what people look up, as plain columns.
//!
//! The driver makes them from facts, and the journal writes them in the transaction of these facts. A statement says
//! only what it changes; what it does not name stays.

use repower_model::{
    Artefact, AttemptId, Fault, Finding, JobId, JobState, Key, NodeId, Outcome, Progress, RankId,
    Sequel, StopCause, StopStep, Stored, Timestamp, Usage,
};

/// A change to a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A job came in. If it is known already, the row is replaced.
    JobSubmitted(Box<JobRow>),
    /// A job that has not ended changed its state.
    JobState {
        /// Which job.
        id: JobId,
        /// Its new state.
        state: JobState,
        /// Why it waits, as a stable code; none if it does not.
        hold_reason: Option<String>,
        /// When its first task started; `None` leaves it.
        started: Option<Timestamp>,
    },
    /// A job ended.
    JobEnded(JobEnded),
    /// A task was given to a node.
    AttemptPlaced(AttemptPlaced),
    /// A process of an attempt started.
    AttemptStarted {
        /// Which attempt.
        id: AttemptId,
        /// When.
        started: Timestamp,
    },
    /// An attempt ended. Says all there is to say, so no `AttemptPlaced` need come before.
    AttemptEnded(Box<AttemptEnded>),
    /// A rank of a gang was given to a node, with all the others.
    RankPlaced {
        /// Which.
        id: RankId,
        /// The number of the node.
        node: NodeId,
        /// The name of the node.
        node_name: String,
    },
    /// The process of a rank started.
    RankStarted {
        /// Which.
        id: RankId,
        /// When.
        started: Timestamp,
    },
    /// The process of a rank ended.
    RankEnded {
        /// Which.
        id: RankId,
        /// How.
        ended: Box<RankEnded>,
    },
    /// A job was submitted with artefacts of the store as its inputs.
    InputsGiven {
        /// Which job.
        job: JobId,
        /// Where they go, and what they are.
        inputs: Vec<Artefact>,
    },
    /// The outputs of a process were brought back.
    OutputsKept(Collection),
    /// A process was sent a signal that ends it.
    StepTaken(StepTaken),
    /// What an attempt has saved for the next one was brought to the store of artefacts, or could not be.
    CheckpointSettled(CheckpointRow),
    /// What a process said last of its progress.
    ProgressClaimed(Box<ClaimRow>),
    /// Somebody has decided about a job; the same words of the same person are kept once.
    Decided(DecisionRow),
    /// Nobody needs what a task has saved, or all tasks of a job.
    CheckpointsDropped {
        /// Which job.
        job: JobId,
        /// Which task; `None`: all of them.
        index: Option<u32>,
    },
    /// A node joined or changed. The row is replaced.
    Node(Box<NodeRow>),
    /// A finding was opened, seen again or decided. The row is replaced.
    Finding(Box<FindingRow>),
}

/// What was decided about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It, or some of its tasks, must not go on.
    Cancelled,
    /// It may run.
    Approved,
    /// It must not run.
    Denied,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cancelled, Self::Approved, Self::Denied];

    /// Its word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

/// A row of the table `decisions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// About which job.
    pub job: JobId,
    /// What.
    pub verdict: Verdict,
    /// Who has decided.
    pub by: String,
    /// Their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A row of the table `findings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// What it says.
    pub finding: Finding,
    /// The same as bytes, for the driver to read back.
    pub body: Vec<u8>,
}

/// A row of the table `jobs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub id: JobId,
    /// The UUID that its submitter made; unique.
    pub key: Key,
    /// Its name.
    pub name: String,
    /// Its declared class.
    pub class: String,
    /// The tier that the policy gave the class.
    pub tier: String,
    /// Who pays.
    pub project: String,
    /// Who submitted it.
    pub submitter: String,
    /// Where it stands.
    pub state: JobState,
    /// Why it waits, as a stable code.
    pub hold_reason: Option<String>,
    /// The exit code that it ended with: that of its first failed task.
    pub exit_code: Option<i32>,
    /// The signal that it ended by, likewise.
    pub signal: Option<i32>,
    /// How many tasks it has.
    pub tasks: u64,
    /// How many of them succeeded; counted when the job ends.
    pub succeeded: u64,
    /// How many of them failed for good; counted when the job ends.
    pub failed: u64,
    /// How many of them were cancelled; counted when the job ends.
    pub cancelled: u64,
    /// Its priority.
    pub priority: i64,
    /// When it came in.
    pub submitted: Timestamp,
    /// When its first task started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The hash of the policy that admitted it, in hex.
    pub policy_hash: String,
    /// What was asked for, in protobuf.
    pub spec: Vec<u8>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnded {
    /// Which job.
    pub id: JobId,
    /// Its last state.
    pub state: JobState,
    /// The exit code that it ended with.
    pub exit_code: Option<i32>,
    /// The signal that it ended by.
    pub signal: Option<i32>,
    /// How many of its tasks succeeded.
    pub succeeded: u64,
    /// How many of its tasks failed for good.
    pub failed: u64,
    /// How many of its tasks were cancelled.
    pub cancelled: u64,
    /// When its first task started; `None` leaves what was known.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
}

/// A task was given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPlaced {
    /// Which attempt.
    pub id: AttemptId,
    /// The number of the node.
    pub node: NodeId,
    /// The name of the node.
    pub node_name: String,
    /// When.
    pub placed: Timestamp,
}

/// How an attempt ended, with where and when it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnded {
    /// Which attempt, where and since when.
    pub placed: AttemptPlaced,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault that was, if it was a failure.
    pub fault: Fault,
    /// What becomes of its task.
    pub sequel: Sequel,
    /// When its process started, if it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
    /// What it used and how much it printed.
    pub usage: Usage,
}

/// A row of the table `attempts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which attempt, where and since when.
    pub placed: AttemptPlaced,
    /// When its process started.
    pub started: Option<Timestamp>,
    /// How it ended; `None` while it goes on.
    pub ended: Option<AttemptEnded>,
}

/// How a rank of a gang ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankEnded {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used and how much it printed.
    pub usage: Usage,
    /// When its process started, if it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
}

/// A row of the table `ranks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankRow {
    /// Which rank.
    pub id: RankId,
    /// The number of its node.
    pub node: NodeId,
    /// The name of its node.
    pub node_name: String,
    /// When its process started.
    pub started: Option<Timestamp>,
    /// How it ended; `None` while it goes on.
    pub ended: Option<RankEnded>,
}

/// What was brought back of a process: a row of the table `collections`, with those of `outputs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Which process.
    pub id: RankId,
    /// The files, ascending by path.
    pub artefacts: Vec<Artefact>,
    /// What of the job's patterns matched nothing, and what could not be brought back and why.
    pub missing: Vec<String>,
}

/// A row of the table `stop_steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTaken {
    /// Which process.
    pub id: RankId,
    /// How far its stop is.
    pub step: StopStep,
    /// Why it is stopped.
    pub cause: StopCause,
    /// The signal's number.
    pub signal: i32,
    /// When, by the clock of the node.
    pub taken: Timestamp,
}

/// A row of the table `checkpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Which attempt.
    pub id: AttemptId,
    /// What of it is in the store of artefacts, or why nothing is.
    pub kept: Result<Stored, String>,
    /// When that was known.
    pub settled: Timestamp,
    /// Whether it is still needed. One that comes in is.
    pub needed: bool,
}

/// A row of the table `claims`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    /// Which process.
    pub id: RankId,
    /// What it has said.
    pub progress: Progress,
}

/// A row of the table `nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number.
    pub id: NodeId,
    /// Its name; unique.
    pub name: String,
    /// Where it stands: the phase of a node, as a stable word.
    pub phase: String,
    /// Its processors, in thousandths.
    pub cpus_milli: u64,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its instruction set level, such as `x86-64-v3`.
    pub isa: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The version of its agent.
    pub version: String,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// Why it is in this phase.
    pub reason: Option<String>,
}
