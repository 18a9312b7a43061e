//! How attempts end.

use serde::{Deserialize, Serialize};

/// How an attempt ended, as the agent or the scheduler saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The program ended by itself; 0 is success.
    Exited {
        /// The exit status.
        code: i32,
    },
    /// A signal ended it that Repower did not send.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Stopped at its time limit.
    TimedOut,
    /// Stopped because somebody cancelled it.
    Cancelled,
    /// It could not be started.
    NotStarted {
        /// What the system said.
        detail: String,
    },
    /// The node was lost, or its agent died with the task.
    Lost {
        /// What happened.
        detail: String,
    },
    /// Taken back from the node before it started.
    Recalled,
    /// Killed by the kernel for want of memory.
    OutOfMemory,
    /// Stopped because more urgent work needed its place.
    Preempted,
    /// Stopped because its node is to be empty.
    Drained,
    /// It has saved its work and asks to be started again: it ended with the job's checkpoint code.
    Checkpointed {
        /// The exit status.
        code: i32,
    },
    /// Ended because it is not what its job declares.
    Finding {
        /// Which finding says so, and by which rules.
        detail: String,
    },
}

impl Outcome {
    /// The stable code, as tables and JSON show it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Signalled { .. } => "signalled",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::NotStarted { .. } => "not-started",
            Self::Lost { .. } => "lost",
            Self::Recalled => "recalled",
            Self::OutOfMemory => "out-of-memory",
            Self::Preempted => "preempted",
            Self::Drained => "drained",
            Self::Checkpointed { .. } => "checkpointed",
            Self::Finding { .. } => "finding",
        }
    }

    /// Whether the program ended as it would have anywhere: nobody stopped it, nothing was lost.
    pub fn has_run_its_course(&self) -> bool {
        match self {
            Self::Exited { .. } | Self::Signalled { .. } | Self::TimedOut | Self::OutOfMemory => {
                true
            }
            Self::Cancelled
            | Self::NotStarted { .. }
            | Self::Lost { .. }
            | Self::Recalled
            | Self::Preempted
            | Self::Drained
            | Self::Checkpointed { .. }
            | Self::Finding { .. } => false,
        }
    }

    /// Whether the task has done what it should.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }

    /// What `repower wait` exits with for a task that ended like this: the exit code itself,
    /// 128 + the signal as shells do, 124 at a time limit as timeout(1) does, 126 if it could not start,
    /// 77 (`EX_NOPERM` of sysexits.h) if a finding ended it.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited { code } | Self::Checkpointed { code } => *code,
            Self::Signalled { signal } => 128_i32.saturating_add(*signal),
            Self::TimedOut => 124,
            Self::Cancelled => 130,
            Self::NotStarted { .. } => 126,
            Self::Lost { .. } | Self::Recalled | Self::Preempted | Self::Drained => 125,
            Self::OutOfMemory => 137,
            Self::Finding { .. } => 77,
        }
    }
}

/// Whose fault an end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// No failure, or nobody's.
    None,
    /// The program's: counts against the job's retries.
    User,
    /// The system's: does not.
    System,
}

/// What becomes of a task when one of its attempts has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sequel {
    /// The task has succeeded.
    Succeeded,
    /// It has failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It goes back to pending.
    Again,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Between start and end of its first process, in microseconds.
    pub wall_us: u64,
    /// User and system time, in microseconds.
    pub cpu_us: u64,
    /// The most memory of all its processes together where a control group counts it, else the largest resident set of
    /// one of them; 0: not known.
    pub peak_memory_bytes: u64,
    /// As written by the task, also what was cut.
    pub stdout_bytes: u64,
    /// As written by the task, also what was cut.
    pub stderr_bytes: u64,
    /// Whether a stream passed its bound and was cut.
    pub truncated: bool,
    /// Read from block devices, where the node can tell; else 0.
    pub read_bytes: u64,
    /// Written to block devices, where the node can tell; else 0.
    pub written_bytes: u64,
    /// How often the kernel killed one of its processes for want of memory.
    pub oom_kills: u64,
}

/// Why an agent is told to stop an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// Give it back if it has not started.
    Recalled,
    /// The scheduler has given it up; no report is needed.
    Stale,
    /// More urgent work needs its place: save what can be saved, then end.
    Preempted,
    /// Its node is to be empty: save what can be saved, then end.
    Drained,
    /// A rank of its gang has saved its work and ended: do the same.
    Checkpointed,
    /// It is not what its job declares: end it at once.
    Finding,
}

/// A step on the way to the end of an attempt that somebody stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopStep {
    /// It got the job's checkpoint signal: save the work.
    Checkpoint,
    /// It got SIGTERM.
    Terminate,
    /// It got SIGKILL.
    Kill,
}

impl StopStep {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Checkpoint, Self::Terminate, Self::Kill];

    /// The name, as tables and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Terminate => "terminate",
            Self::Kill => "kill",
        }
    }
}

/// Why an agent stops an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopCause {
    /// Somebody cancelled it, or a rank of its gang failed.
    Cancelled,
    /// More urgent work needs its place.
    Preempted,
    /// Its node is to be empty.
    Drained,
    /// Its time limit.
    TimedOut,
    /// The agent has lost the scheduler for the length of its lease.
    LeaseLost,
    /// The agent was told to end.
    Leaving,
    /// A rank of its gang has saved its work and ended.
    Checkpointed,
    /// It is not what its job declares.
    Finding,
}

impl StopCause {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Cancelled,
        Self::Preempted,
        Self::Drained,
        Self::TimedOut,
        Self::LeaseLost,
        Self::Leaving,
        Self::Checkpointed,
        Self::Finding,
    ];

    /// The name, as tables and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Preempted => "preempted",
            Self::Drained => "drained",
            Self::TimedOut => "time-limit",
            Self::LeaseLost => "lease-lost",
            Self::Leaving => "leaving",
            Self::Checkpointed => "checkpointed",
            Self::Finding => "finding",
        }
    }
}
