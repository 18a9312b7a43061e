//! Orders and jobs, in few words.

use repower_proto::v1::order::Body as Order;
use repower_proto::v1::{AttemptRef, Define, JobSpec, Start, Stop, StopReason};

pub(crate) fn attempt(job: u64, index: u32) -> AttemptRef {
    AttemptRef { job, index, number: 1 }
}

pub(crate) fn define(job: u64, spec: JobSpec) -> Order {
    Order::Define(Define { job, spec: Some(spec), array_count: 1 })
}

pub(crate) fn start(attempt: AttemptRef) -> Order {
    Order::Start(Start { attempt: Some(attempt) })
}

pub(crate) fn stop(attempt: AttemptRef, reason: StopReason) -> Order {
    Order::Stop(Stop { attempt: Some(attempt), reason: reason.into() })
}

/// A job that runs a command.
pub(crate) fn command(words: &[&str]) -> JobSpec {
    JobSpec {
        name: "test".into(),
        job_class: "science".into(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        ..JobSpec::default()
    }
}

/// A job that runs a line of shell.
pub(crate) fn shell(line: &str) -> JobSpec {
    command(&["/bin/sh", "-c", line])
}
