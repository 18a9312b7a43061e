//! What a session asks the daemon to do.

use std::sync::Arc;

use repower_model::{Checkpoint, JobId, JobSpec, RankId, Rendezvous, Response, StopStep, TaskId};

/// What all tasks of a job share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Which job.
    pub job: JobId,
    /// What it is.
    pub spec: JobSpec,
    /// How many tasks it has.
    pub tasks: u64,
    /// How its tasks are watched, as the scheduler has said it.
    pub watch: Vec<u8>,
    /// The hardest thing that is done about one of them without a person.
    pub hardest: Response,
}

/// Something that the daemon must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Bring the inputs of a job to this node; answered by `Staged` or `NotStaged`. Its tasks wait meanwhile, and hold
    /// nothing.
    Stage(Arc<Definition>),
    /// Bring the outputs of a process that has ended to the scheduler's store; answered by `Collected`. Its folder
    /// must stay until `Discard`.
    Collect {
        /// Whose.
        attempt: RankId,
        /// What it was.
        definition: Arc<Definition>,
    },
    /// Nothing is wanted any more of the outputs of an attempt whose process has ended, or of its folder.
    Discard(RankId),
    /// Start a process; answered by `Started` or `NotStarted`.
    Launch {
        /// Whose.
        attempt: RankId,
        /// What to run.
        definition: Arc<Definition>,
        /// By which of its job's amounts it was placed: 0 the first choice, else that alternative; `None`: nobody has
        /// said.
        alternative: Option<u32>,
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
    /// Let the processes of an attempt stand still. What does already stays so.
    Freeze(RankId),
    /// Let the processes of an attempt go on.
    Thaw(RankId),
    /// End the connections of an attempt that reaches named places only, and those that it makes from now on.
    CutEgress(RankId),
    /// Let it reach its places again.
    MendEgress(RankId),
    /// Close the output of an attempt whose process has ended: somebody else holds it open.
    CloseOutput {
        /// Whose.
        attempt: RankId,
    },
    /// Read output again: there is room.
    ResumeReading,
    /// Make the folder ready in which a task saves its work, with what an earlier attempt has saved; answered by
    /// `Restored` or `NotStarted`. The attempt waits meanwhile, and holds nothing.
    Restore {
        /// Whose.
        attempt: RankId,
        /// What is in the scheduler's store; `None`: nothing.
        checkpoint: Option<Checkpoint>,
    },
    /// Bring what a process has saved that has ended to the scheduler's store; answered by `Saved`.
    Save(RankId),
    /// An attempt with a folder to save its work in is over: the folder is the next one's.
    Release(RankId),
    /// What a task has saved here is of no use any more.
    DropCheckpoint(TaskId),
    /// No task of this job is left: its files can go, and its inputs need not be kept here.
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

impl Signal {
    /// The system's number of it.
    pub fn number(self) -> i32 {
        match self {
            Self::Terminate => 15,
            Self::Checkpoint(number) => number,
            Self::Kill => 9,
        }
    }

    /// How far a stop is with it.
    pub fn step(self) -> StopStep {
        match self {
            Self::Checkpoint(_) => StopStep::Checkpoint,
            Self::Terminate => StopStep::Terminate,
            Self::Kill => StopStep::Kill,
        }
    }
}
