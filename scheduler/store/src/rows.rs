//! Rows of the projections: what people look up, as plain columns.
//!
//! The driver makes them from facts, and the journal writes them in the transaction of these facts. A statement says
//! only what it changes; what it does not name stays. Times are milliseconds since 1970.

/// A change to a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A job came in. If it is known already, the row is replaced.
    JobSubmitted(Box<JobRow>),
    /// A job that has not ended changed its state.
    JobState {
        /// Which job.
        id: u64,
        /// Its new state.
        state: JobState,
        /// Why it waits, as a stable code; none if it does not.
        hold_reason: Option<String>,
        /// When its first task started; `None` leaves it.
        started_ms: Option<i64>,
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
        started_ms: i64,
    },
    /// An attempt ended. Says all there is to say, so no `AttemptPlaced` need come before.
    AttemptEnded(Box<AttemptEnded>),
    /// A node joined or changed. The row is replaced.
    Node(Box<NodeRow>),
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// It waits for something other than a place; see its hold reason.
    Held,
    /// It waits for a place.
    Pending,
    /// At least one of its tasks has a place.
    Running,
    /// All its tasks succeeded.
    Succeeded,
    /// At least one of its tasks failed for good.
    Failed,
    /// It was cancelled before it could end by itself.
    Cancelled,
}

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Held,
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word that stands in the column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether a job stays in it for good.
    pub fn is_end(self) -> bool {
        match self {
            Self::Held | Self::Pending | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// A row of the table `jobs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its number.
    pub id: u64,
    /// The UUID that its submitter made; unique.
    pub key: [u8; 16],
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
    pub submitted_ms: i64,
    /// When its first task started.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// The hash of the policy that admitted it, in hex.
    pub policy_hash: String,
    /// What was asked for, in protobuf.
    pub spec: Vec<u8>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnded {
    /// Which job.
    pub id: u64,
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
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
}

/// Names an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The job.
    pub job: u64,
    /// The index of the task in it.
    pub task: u64,
    /// The number of the attempt.
    pub number: u64,
}

/// A task was given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPlaced {
    /// Which attempt.
    pub id: AttemptId,
    /// The number of the node.
    pub node_id: u64,
    /// The name of the node.
    pub node: String,
    /// When.
    pub placed_ms: i64,
}

/// The outcome code of an attempt that did what was asked.
pub const SUCCEEDED: &str = "succeeded";
/// The outcome code of an attempt that was stopped because its job was cancelled.
pub const CANCELLED: &str = "cancelled";

/// How an attempt ended, with where and when it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnded {
    /// Which attempt, where and since when.
    pub placed: AttemptPlaced,
    /// A stable code; [`SUCCEEDED`] and [`CANCELLED`] are no failures, every other one is.
    pub outcome: String,
    /// The exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// When its process started, if it did.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
    /// What it used.
    pub used: Used,
    /// What it printed.
    pub printed: Printed,
    /// A sentence for people, where the code does not say it all.
    pub detail: Option<String>,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Microseconds from start to end.
    pub wall_us: u64,
    /// Microseconds of processor time, user and system.
    pub cpu_us: u64,
    /// The most memory it held, in bytes.
    pub peak_memory_bytes: u64,
}

/// What an attempt printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Printed {
    /// Bytes on standard output.
    pub stdout_bytes: u64,
    /// Bytes on standard error.
    pub stderr_bytes: u64,
    /// Whether some of it was dropped because it was too much.
    pub truncated: bool,
}

/// A row of the table `attempts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which attempt, where and since when.
    pub placed: AttemptPlaced,
    /// When its process started.
    pub started_ms: Option<i64>,
    /// How it ended; `None` while it goes on.
    pub ended: Option<AttemptEnded>,
}

/// A row of the table `nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number.
    pub id: u64,
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
    pub since_ms: i64,
    /// Why it is in this phase.
    pub reason: Option<String>,
}
