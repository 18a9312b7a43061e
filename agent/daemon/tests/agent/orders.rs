//! Orders and jobs, in few words.

use repower_proto::v1::order::Body as Order;
use repower_proto::v1::{
    AttemptRef, Define, Forget, Host, JobSpec, Rendezvous, Start, Stop, StopReason,
};

pub(crate) fn attempt(job: u64, index: u32) -> AttemptRef {
    AttemptRef { job, index, number: 1, rank: 0 }
}

pub(crate) fn define(job: u64, spec: JobSpec) -> Order {
    Order::Define(Define { job, spec: Some(spec), array_count: 1, watch: Vec::new() })
}

pub(crate) fn start(attempt: AttemptRef) -> Order {
    Order::Start(Start { attempt: Some(attempt), ..Start::default() })
}

/// Starts what was placed by an alternative of its job.
pub(crate) fn start_by(attempt: AttemptRef, alternative: u32) -> Order {
    let alternative = Some(alternative);
    Order::Start(Start { attempt: Some(attempt), alternative, ..Start::default() })
}

pub(crate) fn forget(job: u64) -> Order {
    Order::Forget(Forget { job })
}

/// Starts the ranks of a gang that are on the node of this number among `hosts`.
pub(crate) fn start_gang(attempt: AttemptRef, hosts: &[(&str, u32)], node_rank: u32) -> Order {
    let host = |(address, ranks): &(&str, u32)| Host {
        name: format!("node-{address}"),
        address: (*address).to_owned(),
        ranks: *ranks,
    };
    let hosts = hosts.iter().map(host).collect();
    let rendezvous = Some(Rendezvous { hosts, node_rank, port: 20_123 });
    Order::Start(Start { attempt: Some(attempt), rendezvous, ..Start::default() })
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
