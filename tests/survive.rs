//! Tasks outlive their agent, its upgrade and the scheduler, and nothing of them is lost or doubled.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use repower::client::Client;
use repower::cluster::{Cluster, Plan};
use repower_proto::v1::{
    Array, AttemptsRequest, IndexRange, JobSpec, JobState, LogsRequest, OutcomeKind, Resources,
    Stream, TaskState, TaskSummary,
};
use support::{ended, program, runtime, shell, submit, verified};

const TASKS: u32 = 20;

async fn attempts(client: &Client, job: u64) -> Vec<TaskSummary> {
    let request = AttemptsRequest { job, limit: 1000, ..AttemptsRequest::default() };
    client.jobs().attempts(request).await.unwrap().into_inner().attempts
}

/// Waits until all tasks run.
async fn all_run(client: &Client, job: u64) {
    for _ in 0..10_000 {
        let attempts = attempts(client, job).await;
        let running = attempts.iter().filter(|one| one.state() == TaskState::Running);
        if running.count() == TASKS as usize {
            return;
        }
    }
    panic!("not all of job {job} runs");
}

#[test]
fn twenty_tasks_outlive_a_killed_agent_another_build_of_it_and_a_killed_scheduler() {
    runtime().block_on(async {
        let folder = tempfile::Builder::new().prefix("repower-test-").tempdir().unwrap();
        let other = folder.path().join("repower-of-another-build");
        fs::copy(program(), &other).unwrap();
        let plan = Plan {
            program: program(),
            folder: folder.path().join("cell"),
            agents: 1,
            cpus: Some(u64::from(TASKS)),
            no_exec: false,
            lease: Duration::from_mins(2),
            more: toml::Table::new(),
        };
        let mut cluster = Cluster::start(plan).await.unwrap();
        let (notes, go) = (folder.path().join("notes"), folder.path().join("go"));
        fs::create_dir(&notes).unwrap();
        let line = format!(
            "echo run >> {}/$REPOWER_TASK_INDEX; seq 2000; until [ -e {} ]; do sleep 0.05; done; \
             seq 2001 4000; echo end $REPOWER_TASK_INDEX >&2; exit $REPOWER_TASK_INDEX",
            notes.display(),
            go.display()
        );
        let ranges = vec![IndexRange { first: 0, last: TASKS - 1, step: 1 }];
        let spec = JobSpec {
            array: Some(Array { ranges, limit: 0 }),
            resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
            ..shell(&line)
        };
        let client = cluster.client().await.unwrap();
        let job = submit(&client, spec).await;
        all_run(&client, job).await;
        let executor = cluster.executor(0).unwrap();

        cluster.kill_agent(0).await;
        cluster.start_agent(0).unwrap();
        cluster.all_up(&client).await.unwrap();
        drop(client);
        cluster.kill_scheduler().await;
        cluster.kill_agent(0).await;
        cluster.use_program(other);
        cluster.start_agent(0).unwrap();
        cluster.start_scheduler().await.unwrap();
        let client = cluster.client().await.unwrap();
        cluster.all_up(&client).await.unwrap();
        assert_eq!(cluster.executor(0), Some(executor), "it is not replaced while tasks run");
        fs::write(go, "").unwrap();

        assert_eq!(ended(&client, job).await.state(), JobState::Failed, "19 of them say so");
        let attempts = attempts(&client, job).await;
        assert_eq!(attempts.len(), TASKS as usize, "each ran once");
        for one in &attempts {
            let outcome = one.outcome.as_ref().unwrap();
            assert_eq!(outcome.kind(), OutcomeKind::Exited, "{one:?}");
            assert_eq!(u32::try_from(outcome.exit_code), Ok(one.index));
            let note = fs::read_to_string(notes.join(one.index.to_string())).unwrap();
            assert_eq!(note, "run\n", "task {} ran once", one.index);
        }
        check_output(&client, job).await;
        is_replaced(&cluster, &client, executor).await;
        let after = submit(&client, shell("exit 0")).await;
        assert_eq!(ended(&client, after).await.state(), JobState::Succeeded);
        verified(&cluster);
        cluster.stop().await;
        drop(folder);
    });
}

async fn check_output(client: &Client, job: u64) {
    let reply = client.jobs().logs(LogsRequest { job, ..LogsRequest::default() }).await;
    let mut stream = reply.unwrap().into_inner();
    let mut texts: BTreeMap<(u32, i32), Vec<u8>> = BTreeMap::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        let text = texts.entry((chunk.index, chunk.stream)).or_default();
        assert_eq!(chunk.offset, text.len() as u64, "a gap or an overlap in task {}", chunk.index);
        text.extend(chunk.data);
    }
    for index in 0..TASKS {
        let text = |stream: Stream| {
            let text = texts.get(&(index, stream.into())).cloned().unwrap_or_default();
            String::from_utf8(text).unwrap()
        };
        assert!((1..=4000).map(|line| line.to_string()).eq(text(Stream::Stdout).lines()));
        assert_eq!(text(Stream::Stderr), format!("end {index}\n"));
    }
}

/// Waits until the executor of the older build has given way to one of the newer.
async fn is_replaced(cluster: &Cluster, client: &Client, older: u32) {
    for _ in 0..10_000 {
        if cluster.executor(0).is_some_and(|now| now != older) {
            return cluster.all_up(client).await.unwrap();
        }
        // A question takes a while, and the agent has its turn.
        attempts(client, 1).await;
    }
    panic!("the executor of the older build lives on with nothing to do");
}
