//! What may happen to an agent.

use std::sync::Arc;

use repower_model::{
    Artefact, AttemptId, Checkpoint, Image, JobId, JobSpec, Progress, RankId, Rendezvous,
    Resources, Response, Span, StopReason, Stored, TaskId, Timestamp, Verdict,
};

use crate::{Limits, Moment, Stream};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// An agent holds this session from now on: what the node has, and what may wait.
    Attached {
        /// What tasks can have together.
        capacity: Resources,
        /// The bounds.
        limits: Limits,
    },
    /// The scheduler has welcomed this agent.
    LinkUp(Terms),
    /// The scheduler was there at this moment, on the steady clock.
    Heard(Moment),
    /// The scheduler has no room for output, so none is to be sent; or it has room again.
    HoldOutput(bool),
    /// The link is gone.
    LinkDown {
        /// When the scheduler was there for certain, on the steady clock.
        contact: Moment,
    },
    /// The scheduler says what all tasks of a job share.
    Define {
        /// Which job.
        job: JobId,
        /// What it is.
        spec: Box<JobSpec>,
        /// How many tasks it has.
        tasks: u64,
        /// How they are watched; kept as it came.
        watch: Vec<u8>,
        /// The hardest thing that is done about one of them without a person.
        hardest: Response,
    },
    /// No more tasks of this job will come.
    Forget(JobId),
    /// Start this attempt when what it needs is free.
    Start {
        /// Which.
        attempt: AttemptId,
        /// By which of its job's amounts it was placed: 0 the first choice, else that alternative; `None`: nobody has
        /// said, so it is taken to be the first choice.
        alternative: Option<u32>,
        /// Of a gang: all of its ranks here start, each when what it needs is free.
        rendezvous: Option<Arc<Rendezvous>>,
        /// What an earlier attempt has saved, if anything is in the store.
        checkpoint: Option<Checkpoint>,
    },
    /// What a task has saved here is of no use any more.
    DropCheckpoint(TaskId),
    /// The folder in which a task saves its work is ready for this attempt.
    Restored(RankId),
    /// What a process has saved is in the scheduler's store, or cannot be brought there.
    Saved {
        /// Whose.
        attempt: RankId,
        /// What of it is in the store, or why nothing is.
        kept: Result<Stored, String>,
    },
    /// Stop this process.
    Stop(RankId, StopReason),
    /// Let this process stand still: somebody has to look.
    Freeze(RankId),
    /// Somebody has looked: let this process go on, and notice these rules no more.
    Thaw(RankId, Vec<String>),
    /// Of what is to stand still, not all does.
    StandsInPart {
        /// Which process.
        attempt: RankId,
        /// Why not.
        detail: String,
    },
    /// The detector has noticed something about a process.
    Noticed(Box<Noticed>),
    /// Everything up to and including the report with this sequence is durable.
    Acknowledged(u64),
    /// The inputs of a job are on this node.
    Staged(JobId),
    /// The inputs of a job cannot be brought to this node.
    NotStaged {
        /// Which job.
        job: JobId,
        /// Why, and what to do.
        detail: String,
    },
    /// Outputs of a process are in the scheduler's store.
    Collected {
        /// Whose.
        attempt: RankId,
        /// The files, ascending by path.
        artefacts: Vec<Artefact>,
        /// What of the job's patterns matched nothing, and what could not be brought back and why.
        missing: Vec<String>,
    },
    /// A process runs.
    Started {
        /// Whose.
        attempt: RankId,
    },
    /// A process could not be started.
    NotStarted {
        /// Whose.
        attempt: RankId,
        /// Why, and what to do.
        detail: String,
    },
    /// A process was not started, because what it brings must not run.
    Forbidden {
        /// Whose.
        attempt: RankId,
        /// What, and why not.
        detail: String,
    },
    /// A task printed something.
    Output {
        /// Whose.
        attempt: RankId,
        /// Where.
        stream: Stream,
        /// What.
        data: &'a [u8],
    },
    /// A process is about to have ended, and has said how far it is: the last there will be of that.
    Claimed {
        /// Whose.
        attempt: RankId,
        /// What it has said, all in all.
        progress: Box<Progress>,
    },
    /// A process has ended, and what was left of its process group has been killed.
    Exited {
        /// Whose.
        attempt: RankId,
        /// How.
        exit: Exit,
        /// Whether both streams are at their end.
        drained: bool,
    },
    /// Both output streams of an attempt whose process has ended are at their end.
    Drained {
        /// Whose.
        attempt: RankId,
    },
    /// The moment of [`Session::wake_at`](crate::Session::wake_at) has come.
    Timer,
    /// The agent is to end: it stops its tasks and ignores orders to start more.
    Leave,
}

/// What the detector has noticed about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Which.
    pub attempt: RankId,
    /// All verdicts so far.
    pub verdicts: Vec<Verdict>,
    /// What it runs.
    pub images: Vec<Image>,
    /// What was seen, as text; empty: nothing new.
    pub evidence: Vec<u8>,
    /// Whether there was more than a bundle may hold.
    pub cut: bool,
}

/// What the scheduler has said in its welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Without contact for this long the scheduler gives this node up.
    pub lease: Span,
    /// How many bytes of each output stream are kept.
    pub output_bytes: u64,
}

/// How a process ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub status: Status,
    /// When.
    pub ended: Timestamp,
    /// Between its start and its end, in microseconds.
    pub wall_us: u64,
    /// User and system time of all that it waited for, in microseconds.
    pub cpu_us: u64,
    /// The most memory of all its processes together where the node counts it, else the largest
    /// resident set of one of them.
    pub peak_memory_bytes: u64,
    /// Read from block devices.
    pub read_bytes: u64,
    /// Written to block devices.
    pub written_bytes: u64,
    /// How often the kernel killed one of its processes for want of memory.
    pub oom_kills: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// It never was the program, which could not be executed in its container: the error's number.
    NotExecuted(i32),
    /// It is gone, and the system does not say how.
    Unknown,
}
