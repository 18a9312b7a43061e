//! Small worlds for the tests.

use crate::journal::Entry;
use crate::rows::{
    AttemptEnded, AttemptId, AttemptPlaced, JobEnded, JobRow, JobState, Printed, Row, SUCCEEDED,
    Used,
};
use crate::sqlite::Journal;

pub(super) const ORIGIN: &str = "repower.example/test";

pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn open(folder: &tempfile::TempDir) -> Journal {
    Journal::open(folder.path(), ORIGIN).unwrap()
}

/// Facts whose bodies begin with their own number, as those of the scheduler do.
pub(super) fn entries(seqs: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    let body = |seq: u64| [&seq.to_be_bytes()[..], b"what happened"].concat();
    seqs.map(|seq| Entry {
        seq,
        body: body(seq),
    })
    .collect()
}

pub(super) fn job(id: u64) -> JobRow {
    JobRow {
        id,
        key: u128::from(id).to_be_bytes(),
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
        submitted_ms: 1_700_000_000_000,
        started_ms: None,
        ended_ms: None,
        policy_hash: "00ff".to_owned(),
        spec: vec![1, 2, 3],
    }
}

pub(super) fn job_ended(id: u64, state: JobState) -> Row {
    Row::JobEnded(JobEnded {
        id,
        state,
        exit_code: Some(i32::from(state != JobState::Succeeded)),
        signal: None,
        succeeded: 3,
        failed: 1,
        cancelled: 0,
        started_ms: Some(1_700_000_001_000),
        ended_ms: 1_700_000_003_500,
    })
}

pub(super) fn placed(job: u64, task: u64, number: u64) -> AttemptPlaced {
    let id = AttemptId { job, task, number };
    AttemptPlaced {
        id,
        node_id: 7,
        node: "n7".to_owned(),
        placed_ms: 1_700_000_000_500,
    }
}

pub(super) fn ended(job: u64, task: u64, number: u64, outcome: &str) -> AttemptEnded {
    AttemptEnded {
        placed: placed(job, task, number),
        outcome: outcome.to_owned(),
        exit_code: Some(i32::from(outcome != SUCCEEDED)),
        signal: None,
        started_ms: Some(1_700_000_001_000),
        ended_ms: 1_700_000_002_000,
        used: Used {
            wall_us: 1_000_000,
            cpu_us: 900_000,
            peak_memory_bytes: 1 << 20,
        },
        printed: Printed {
            stdout_bytes: 12,
            stderr_bytes: 0,
            truncated: false,
        },
        detail: None,
    }
}

pub(super) fn attempt_ended(job: u64, task: u64, number: u64, outcome: &str) -> Row {
    Row::AttemptEnded(Box::new(ended(job, task, number, outcome)))
}
