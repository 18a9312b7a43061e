//! What the agent tells the scheduler, exactly once and in order.

use repower_model::{
    Artefact, Outcome, Progress, RankId, StopCause, StopStep, Stored, Timestamp, Usage,
};

use crate::Noticed;

/// One of the two output streams of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A piece of what it printed; at most [`Report::PIECE`] bytes.
    Output {
        /// Whose.
        attempt: RankId,
        /// Which of the two.
        stream: Stream,
        /// Where in the stream it begins.
        offset: u64,
        /// How many bytes of the stream before it are left out.
        missing: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Its process runs.
    Started {
        /// Whose.
        attempt: RankId,
        /// Since when.
        started: Timestamp,
    },
    /// Outputs of it are in the scheduler's store. Comes before its end.
    Kept {
        /// Whose.
        attempt: RankId,
        /// Files, ascending by path.
        artefacts: Vec<Artefact>,
        /// What of the job's patterns matched nothing, and what could not be brought back and why.
        missing: Vec<String>,
    },
    /// What it has saved is in the scheduler's store, or cannot be brought there. Comes before its end.
    Saved {
        /// Whose.
        attempt: RankId,
        /// What of it is in the store, or why nothing is.
        kept: Result<Stored, String>,
    },
    /// It was sent a signal, so that it ends.
    Stopping {
        /// Whose.
        attempt: RankId,
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
    /// How far it has said that it is, all in all. Comes before its end.
    Claimed {
        /// Whose.
        attempt: RankId,
        /// What it has said.
        progress: Box<Progress>,
    },
    /// It has ended; all of its output has been reported before.
    Ended {
        /// Whose.
        attempt: RankId,
        /// How.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
        /// `None`: it never started.
        started: Option<Timestamp>,
        /// When.
        ended: Timestamp,
    },
}

impl Report {
    /// The largest piece of output in one report, in bytes.
    pub const PIECE: usize = 256 << 10;

    /// Whose it is.
    pub fn attempt(&self) -> RankId {
        match self {
            Self::Output { attempt, .. }
            | Self::Started { attempt, .. }
            | Self::Kept { attempt, .. }
            | Self::Saved { attempt, .. }
            | Self::Stopping { attempt, .. }
            | Self::Claimed { attempt, .. }
            | Self::Ended { attempt, .. } => *attempt,
            Self::Noticed(noticed) => noticed.attempt,
        }
    }

    /// About how many bytes it takes, on the wire or in memory, whichever is more.
    pub fn size(&self) -> usize {
        const FIXED: usize = 128;
        match self {
            Self::Output { data, .. } => FIXED + data.len(),
            Self::Started { .. } | Self::Stopping { .. } => FIXED,
            Self::Claimed { progress, .. } => 2 * FIXED + progress.mistake.len(),
            Self::Saved { kept, .. } => FIXED + kept.as_ref().err().map_or(0, String::len),
            Self::Noticed(noticed) => {
                let images = noticed.images.iter().map(|image| FIXED + image.path.len());
                let verdicts = noticed.verdicts.iter().map(|one| FIXED + one.detail.len());
                FIXED + noticed.evidence.len() + images.chain(verdicts).sum::<usize>()
            }
            Self::Kept { artefacts, missing, .. } => {
                let files = artefacts.iter().map(|artefact| FIXED + artefact.path.len());
                let words = missing.iter().map(String::len);
                FIXED + files.chain(words).sum::<usize>()
            }
            Self::Ended { outcome, .. } => match outcome {
                Outcome::NotStarted { detail }
                | Outcome::Lost { detail }
                | Outcome::Finding { detail } => FIXED + detail.len(),
                Outcome::Exited { .. }
                | Outcome::Signalled { .. }
                | Outcome::TimedOut
                | Outcome::Cancelled
                | Outcome::Recalled
                | Outcome::Preempted
                | Outcome::Drained
                | Outcome::Checkpointed { .. }
                | Outcome::OutOfMemory => FIXED,
            },
        }
    }
}
