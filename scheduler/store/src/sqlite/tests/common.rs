//! Small worlds for the tests.

use repower_model::{
    AttemptId, Fault, JobId, JobState, Key, NodeId, Outcome, Sequel, TaskId, Timestamp, Usage,
};

use crate::journal::Entry;
use crate::rows::{AttemptEnded, AttemptPlaced, JobEnded, JobRow, Row};
use crate::sqlite::Journal;

pub(super) const ORIGIN: &str = "repower.example/test";

pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn open(folder: &tempfile::TempDir) -> Journal {
    Journal::open(folder.path(), ORIGIN).unwrap()
}

/// Facts whose bodies begin with their own number, as those of the scheduler do.
pub(super) fn entries(seqs: std::ops::Range<u64>) -> Vec<Entry> {
    let body = |seq: u64| [&seq.to_be_bytes()[..], b"what happened"].concat();
    seqs.map(|seq| Entry { seq, body: body(seq) }).collect()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + 1000 * seconds)
}

pub(super) fn job(id: u64) -> JobRow {
    JobRow {
        id: JobId(id),
        key: Key(u128::from(id).to_be_bytes()),
        name: format!("sweep-{id}"),
        class: "ai.training".to_owned(),
        tier: "encouraged".to_owned(),
        project: "physics".to_owned(),
        submitter: "ada".to_owned(),
        state: JobState::Pending,
        hold_reason: None,
        exit_code: None,
        signal: None,
        tasks: 4,
        succeeded: 0,
        failed: 0,
        cancelled: 0,
        priority: 0,
        submitted: at(0),
        started: None,
        ended: None,
        policy_hash: "00ff".to_owned(),
        spec: vec![1, 2, 3],
    }
}

pub(super) fn submitted(job: JobRow) -> Row {
    Row::JobSubmitted(Box::new(job))
}

pub(super) fn job_ended(id: u64, state: JobState) -> Row {
    Row::JobEnded(JobEnded {
        id: JobId(id),
        state,
        exit_code: Some(i32::from(state != JobState::Succeeded)),
        signal: None,
        succeeded: 3,
        failed: 1,
        cancelled: 0,
        started: Some(at(1)),
        ended: at(3),
    })
}

pub(super) fn placed(job: u64, index: u32, number: u32) -> AttemptPlaced {
    let id = AttemptId { task: TaskId { job: JobId(job), index }, number };
    AttemptPlaced { id, node: NodeId(7), node_name: "n7".to_owned(), placed: at(0) }
}

/// An attempt that ended with this exit code, and what became of its task.
pub(super) fn ended(placed: AttemptPlaced, code: i32, sequel: Sequel) -> AttemptEnded {
    AttemptEnded {
        placed,
        outcome: Outcome::Exited { code },
        fault: if code == 0 { Fault::None } else { Fault::User },
        sequel,
        started: Some(at(1)),
        ended: at(2),
        usage: Usage { wall_us: 1_000_000, cpu_us: 900_000, stdout_bytes: 12, ..Usage::default() },
    }
}

pub(super) fn attempt_ended(job: u64, index: u32, number: u32, code: i32, sequel: Sequel) -> Row {
    Row::AttemptEnded(Box::new(ended(placed(job, index, number), code, sequel)))
}
