//! What a session asks the daemon to do.

use std::sync::Arc;

use repower_model::{JobId, JobSpec, RankId, Rendezvous};

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
        attempt: RankId,
        /// What to run.
        definition: Arc<Definition>,
        /// Of a gang: what its ranks here are told.
        rendezvous: Option<Arc<Rendezvous>>,
    },
    /// Send a signal to the process group of an attempt.
    Signal {
        /// Whose.
        attempt: RankId,
        /// Which.
        signal: Signal,
    },
    /// Close the output of an attempt whose process has ended: somebody else holds it open.
    CloseOutput {
        /// Whose.
        attempt: RankId,
    },
    /// Read output again: there is room.
    ResumeReading,
    /// No task of this job is left: its files can go.
    ForgetJob(JobId),
}

/// A signal that ends a process, sooner or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please.
    Terminate,
    /// The job's own, of this number: save your work, and end.
    Checkpoint(i32),
    /// SIGKILL: now.
    Kill,
}
