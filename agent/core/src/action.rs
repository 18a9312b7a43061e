//! What a session asks the daemon to do.

use std::sync::Arc;

use repower_model::{AttemptId, JobId, JobSpec};

/// What all tasks of a job share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Which job.
    pub job: JobId,
    /// What it is.
    pub spec: JobSpec,
    /// How many tasks it has.
    pub tasks: u64,
}

/// Something that the daemon must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a process; answered by `Started` or `NotStarted`.
    Launch {
        /// Whose.
        attempt: AttemptId,
        /// What to run.
        definition: Arc<Definition>,
    },
    /// Send a signal to the process group of an attempt.
    Signal {
        /// Whose.
        attempt: AttemptId,
        /// Which.
        signal: Signal,
    },
    /// Close the output of an attempt whose process has ended: somebody else holds it open.
    CloseOutput {
        /// Whose.
        attempt: AttemptId,
    },
    /// Read output again: there is room.
    ResumeReading,
    /// No task of this job is left: its files can go.
    ForgetJob(JobId),
}

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please.
    Terminate,
    /// SIGKILL: now.
    Kill,
}
