//! A cluster of real processes, killed again and again: nothing acknowledged is lost or doubled.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::single_match_else,
    reason = "a test that tells how it went"
)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use repower_proto::v1::{
    Array, AttemptsRequest, IndexRange, JobSpec, JobState, LogsRequest, OutcomeKind, Resources,
    Stream, TaskState, WatchRequest,
};
use support::{Dice, runtime, start, submit, verified};

const TASKS: u32 = 2000;
const KILLS: usize = 20;
const AGENTS: usize = 3;

/// What a task does: prints, works for a moment, prints again on the other stream. As long as it lives it holds a lock
/// that no other attempt of it may have then.
const SCRIPT: &str = "exec 9>> NOTES/$REPOWER_TASK_INDEX; \
                      flock -n 9 || { echo $REPOWER_TASK_INDEX >> NOTES/twice; exit 99; }; \
                      echo begin $REPOWER_TASK_INDEX; i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; \
                      echo end $REPOWER_TASK_INDEX >&2";

#[test]
fn killing_everything_at_random_moments_loses_and_doubles_nothing() {
    let rounds = option_env("REPOWER_KILL_ROUNDS").unwrap_or(1);
    for seed in 1..=rounds {
        runtime().block_on(round(seed));
    }
}

fn option_env(name: &str) -> Option<u64> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

fn job(notes: &Path) -> JobSpec {
    let script = SCRIPT.replace("NOTES", notes.to_str().unwrap());
    let ranges = vec![IndexRange { first: 0, last: TASKS - 1, step: 1 }];
    JobSpec {
        job_class: "software-build".into(),
        command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        array: Some(Array { ranges, limit: 0 }),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..JobSpec::default()
    }
}

async fn round(seed: u64) {
    let (folder, mut cluster) = start(AGENTS, Some(2)).await;
    let mut dice = Dice::new(seed);
    let notes = folder.path().join("notes");
    std::fs::create_dir(&notes).unwrap();
    let (job, mut executors) = (submit(&cluster.client().await.unwrap(), job(&notes)).await, 0);
    let mut moments: Vec<u64> = (0..KILLS).map(|_| dice.below(u64::from(TASKS) - 100)).collect();
    moments.sort_unstable();

    for moment in moments {
        reaches(&cluster, job, moment).await;
        let victim = usize::try_from(dice.below(AGENTS as u64)).unwrap();
        match dice.below(10) {
            0..4 => {
                cluster.kill_agent(victim).await;
                cluster.start_agent(victim).unwrap();
            }
            // Its agent notices, and starts another one.
            4..6 => executors += usize::from(cluster.kill_executor(victim)),
            6..8 => {
                cluster.kill_scheduler().await;
                cluster.start_scheduler().await.unwrap();
            }
            _ => {
                cluster.kill_scheduler().await;
                for victim in 0..AGENTS {
                    cluster.kill_agent(victim).await;
                    cluster.start_agent(victim).unwrap();
                }
                cluster.start_scheduler().await.unwrap();
            }
        }
    }
    reaches(&cluster, job, u64::from(TASKS)).await;

    let lost = check_attempts(&cluster, job).await;
    check_output(&cluster, job).await;
    println!(
        "{TASKS} tasks, {KILLS} kills, {executors} of executors: {lost} attempts lost and tried again"
    );
    assert!(executors > 0 && lost >= executors, "what an executor held is lost with it, and told");
    let twice = std::fs::read_to_string(notes.join("twice")).unwrap_or_default();
    assert_eq!(twice, "", "two attempts of a task ran at a time");
    assert_eq!(std::fs::read_dir(&notes).unwrap().count(), TASKS as usize);
    verified(&cluster);
    cluster.stop().await;
    drop(folder);
}

/// Waits until so many tasks have succeeded, over as many connections as it takes.
async fn reaches(cluster: &repower::cluster::Cluster, job: u64, succeeded: u64) {
    loop {
        let Ok(client) = cluster.client().await else {
            continue;
        };
        let Ok(stream) = client.jobs().watch(WatchRequest { jobs: vec![job] }).await else {
            continue;
        };
        let mut stream = stream.into_inner();
        while let Ok(Some(summary)) = stream.message().await {
            assert_eq!(summary.failed + summary.cancelled, 0, "{summary:?}");
            let ended = summary.state() == JobState::Succeeded;
            if ended || (succeeded < summary.tasks && summary.succeeded >= succeeded) {
                return;
            }
        }
    }
}

/// Returns how many attempts were lost.
async fn check_attempts(cluster: &repower::cluster::Cluster, job: u64) -> usize {
    let client = cluster.client().await.unwrap();
    let (mut successes, mut offset, mut lost) = (BTreeMap::<u32, u32>::new(), 0, 0);
    loop {
        let request = AttemptsRequest { job, offset, limit: 1000, ..AttemptsRequest::default() };
        let reply = client.jobs().attempts(request).await.unwrap().into_inner();
        offset += u32::try_from(reply.attempts.len()).unwrap();
        for attempt in &reply.attempts {
            let kind = attempt.outcome.as_ref().map(repower_proto::v1::Outcome::kind);
            match attempt.state() {
                TaskState::Succeeded => *successes.entry(attempt.index).or_default() += 1,
                _ => {
                    assert!(
                        matches!(kind, Some(OutcomeKind::Lost | OutcomeKind::Recalled)),
                        "an attempt ended otherwise: {attempt:?}"
                    );
                    lost += 1;
                }
            }
        }
        if !reply.more {
            break;
        }
    }
    assert_eq!(successes.len(), TASKS as usize, "every task has succeeded");
    let doubled: Vec<_> = successes.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "tasks with several successful attempts: {doubled:?}");
    lost
}

async fn check_output(cluster: &repower::cluster::Cluster, job: u64) {
    let client = cluster.client().await.unwrap();
    let reply = client.jobs().logs(LogsRequest { job, ..LogsRequest::default() }).await.unwrap();
    let mut stream = reply.into_inner();
    let mut texts: BTreeMap<(u32, i32), Vec<u8>> = BTreeMap::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        let text = texts.entry((chunk.index, chunk.stream)).or_default();
        assert_eq!(chunk.offset, text.len() as u64, "a gap or an overlap in task {}", chunk.index);
        text.extend(chunk.data);
    }
    for index in 0..TASKS {
        let text = |stream: Stream| {
            texts.get(&(index, stream.into())).map(|text| String::from_utf8_lossy(text))
        };
        assert_eq!(text(Stream::Stdout).as_deref(), Some(format!("begin {index}\n").as_str()));
        assert_eq!(text(Stream::Stderr).as_deref(), Some(format!("end {index}\n").as_str()));
    }
}
