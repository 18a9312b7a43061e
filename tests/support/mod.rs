//! What the tests of real clusters share.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]
#![expect(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests")]

pub mod bounded;
pub mod bucket;
pub mod by_hand;
pub mod bytes;
pub mod cli;
mod dice;
pub mod examples;
pub mod gate;
pub mod line;
pub mod namespace;
pub mod pty;
pub mod shared;
pub mod tmpfs;
pub mod web;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use repower::client::Client;
use repower::cluster::{Cluster, Plan};
use repower_proto::v1::{JobSpec, JobState, JobSummary, SubmitRequest, WatchRequest};

pub use dice::Dice;

/// The program under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_repower"))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A cluster in a folder that goes when the first of the pair is dropped.
pub async fn start(agents: usize, cpus: Option<u64>) -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::Builder::new().prefix("repower-test-").tempdir().unwrap();
    let lease = Duration::from_secs(5);
    let plan = Plan {
        program: program(),
        folder: folder.path().into(),
        agents,
        cpus,
        no_exec: false,
        lease,
        more: toml::Table::new(),
    };
    let cluster = Cluster::start(plan).await.unwrap_or_else(|failure| {
        panic!("the cluster does not start: {} {:?}", failure.message(), failure.because())
    });
    (folder, cluster)
}

/// A job of one task that runs a line of shell.
pub fn shell(line: &str) -> JobSpec {
    JobSpec {
        job_class: "software-build".into(),
        command: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        ..JobSpec::default()
    }
}

pub async fn submit(client: &Client, spec: JobSpec) -> u64 {
    let key = uuid::Uuid::new_v4().as_bytes().to_vec();
    let reply = client.jobs().submit(SubmitRequest { key, spec: Some(spec) }).await;
    reply.unwrap().into_inner().job
}

/// Waits for a job's end.
pub async fn ended(client: &Client, job: u64) -> JobSummary {
    let mut stream =
        client.jobs().watch(WatchRequest { jobs: vec![job] }).await.unwrap().into_inner();
    while let Some(summary) = stream.message().await.unwrap() {
        if matches!(summary.state(), JobState::Succeeded | JobState::Failed | JobState::Cancelled) {
            return summary;
        }
    }
    panic!("the end of job {job} was never told");
}

/// Runs the command line against a cluster.
pub fn repower(cluster: &Cluster, arguments: &[&str]) -> Output {
    with_profile(&cluster.profile_path(), arguments)
}

pub fn with_profile(profile: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("REPOWER_PROFILE", profile).env_remove("REPOWER_SCHEDULER");
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Verifies the cluster's ledger through the command line.
pub fn verified(cluster: &Cluster) {
    let output = repower(cluster, &["ledger", "verify"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}
