//! Jobs from submission to end.

use std::time::Duration;

use repower_proto::v1;
use tokio::task::JoinSet;
use tonic::Code;

use crate::agent::{exited, passed, printed};
use crate::world::{World, array, code, job, rand_key, submission, text_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_on_an_agent_and_its_output_and_end_are_there() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 2).await;

    let job = world.submit(job()).await;
    let attempt = agent.starts(1).await[0];
    let mut told = vec![printed(attempt, 0, b"hello\n")];
    told.extend(passed(attempt));
    agent.report_durably(told).await;
    let ended = world.wait(job).await;

    assert_eq!(ended.state(), v1::JobState::Succeeded);
    assert_eq!((ended.succeeded, ended.exit_code), (1, 0));
    assert_eq!(logs(&world, job, false).await, "hello\n");
    let request = v1::AttemptsRequest { job, ..v1::AttemptsRequest::default() };
    let attempts = world.jobs().await.attempts(request).await.unwrap().into_inner().attempts;
    assert_eq!((attempts.len(), attempts[0].node.as_str()), (1, "n1"));
    assert_eq!(attempts[0].state(), v1::TaskState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_a_hundred_times_in_parallel_gives_one_job() {
    let world = World::new().await;
    let (client, key) = (world.jobs().await, rand_key());
    let mut calls = JoinSet::new();

    for _ in 0..100 {
        let (mut client, request) = (client.clone(), submission(key.clone(), job()));
        calls.spawn(async move { client.submit(request).await.unwrap().into_inner() });
    }
    let replies = calls.join_all().await;

    assert!(replies.iter().all(|reply| reply.job == replies[0].job));
    assert_eq!(replies.iter().filter(|reply| reply.created).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_job_that_has_ended_still_gives_that_job() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let (mut client, key) = (world.jobs().await, rand_key());
    let first = client.submit(submission(key.clone(), job())).await.unwrap().into_inner();
    agent.work(1).await;
    world.wait(first.job).await;

    let again = client.submit(submission(key, job())).await.unwrap().into_inner();

    assert_eq!((again.job, again.created), (first.job, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependency_on_a_job_that_has_left_memory_is_met_or_refused() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let first = world.submit(job()).await;
    agent.work(1).await;
    world.wait(first).await;
    let after = |kind: v1::DependencyKind, job: u64| v1::JobSpec {
        dependencies: vec![v1::Dependency { job, kind: kind.into(), per_task: false }],
        ..self::job()
    };
    let mut client = world.jobs().await;

    let met = client.submit(submission(rand_key(), after(v1::DependencyKind::Ok, first))).await;
    let not = client.submit(submission(rand_key(), after(v1::DependencyKind::NotOk, first))).await;
    let none = client.submit(submission(rand_key(), after(v1::DependencyKind::Any, 99))).await;

    assert!(met.unwrap().into_inner().created);
    assert_eq!(code(&not.unwrap_err()), "dependency.failed");
    assert_eq!(code(&none.unwrap_err()), "dependency.unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_policy_forbids_is_refused_with_a_code_and_a_hint() {
    let world = World::new().await;
    let mut client = world.jobs().await;
    let of = |class: &str| v1::JobSpec { job_class: class.to_owned(), ..job() };

    let prohibited = client.submit(submission(rand_key(), of("pow-mining"))).await.unwrap_err();
    let undeclared = client.submit(submission(rand_key(), of(""))).await.unwrap_err();
    let held = client.submit(submission(rand_key(), of("hash-heavy"))).await.unwrap().into_inner();

    assert_eq!(prohibited.code(), Code::PermissionDenied);
    assert_eq!(code(&prohibited), "class.prohibited");
    assert_eq!(
        (undeclared.code(), code(&undeclared).as_str()),
        (Code::InvalidArgument, "class.undeclared")
    );
    assert!(text_of(&undeclared, "repower-hint-bin").contains("ai-training"));
    assert_eq!(held.hold_code, "policy.review");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_lets_a_held_job_run_and_says_who_decided() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let held = v1::JobSpec { job_class: "hash-heavy".to_owned(), ..job() };
    let job = world.submit(held).await;
    let mut client = world.jobs().await;

    let why = client.why(v1::WhyRequest { job, index: None }).await.unwrap().into_inner();
    let reason = "checksums of our own archive".to_owned();
    client.review(v1::ReviewRequest { job, approve: true, reason }).await.unwrap();
    agent.work(1).await;

    assert_eq!(why.code, "policy.review");
    assert_eq!(world.wait(job).await.state(), v1::JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_stops_what_runs_and_what_waits() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let job = world.submit(array(3)).await;
    let attempt = agent.starts(1).await[0];
    let mut client = world.jobs().await;

    let request =
        v1::CancelRequest { job, tasks: vec![], reason: "no more".to_owned(), force: false };
    let reply = client.cancel(request.clone()).await.unwrap().into_inner();
    let stop = agent.stop().await;
    let mut ended = passed(attempt);
    if let v1::report::Body::Ended(ended) = &mut ended[1] {
        let kind = v1::OutcomeKind::Cancelled.into();
        ended.outcome = Some(v1::Outcome { kind, ..v1::Outcome::default() });
    }
    agent.report_durably(ended.into()).await;
    let summary = world.wait(job).await;
    let again = client.cancel(request).await.unwrap_err();

    assert_eq!((reply.pending, reply.stopping), (2, 1));
    assert_eq!(stop.reason(), v1::StopReason::Cancelled);
    assert_eq!((summary.state(), summary.cancelled), (v1::JobState::Cancelled, 3));
    assert_eq!((again.code(), code(&again).as_str()), (Code::FailedPrecondition, "job.ended"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resubmitting_what_failed_makes_a_job_of_those_tasks_only() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 4).await;
    let job = world.submit(array(4)).await;
    let mut client = world.jobs().await;
    let mut told = Vec::new();
    for attempt in agent.starts(4).await {
        told.extend(exited(attempt, i32::from(attempt.index % 2 == 1) * 7));
    }
    agent.report_durably(told).await;
    let failed = world.wait(job).await;

    let request = v1::ResubmitRequest { job, key: rand_key(), failed: true };
    let again = client.resubmit(request).await.unwrap().into_inner();
    let shown = client.show(v1::ShowJobRequest { job: again.job }).await.unwrap().into_inner();
    let old = client.show(v1::ShowJobRequest { job }).await.unwrap().into_inner();

    assert_eq!((failed.state(), failed.failed, failed.exit_code), (v1::JobState::Failed, 2, 7));
    assert_eq!((again.tasks, again.created), (2, true));
    let ranges = shown.spec.unwrap().array.unwrap().ranges;
    assert_eq!(ranges.iter().map(|range| range.first).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(old.failures.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_a_log_shows_output_as_it_comes_and_ends_with_the_task() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let job = world.submit(job()).await;
    let request = v1::LogsRequest { job, follow: true, ..v1::LogsRequest::default() };
    let mut log = world.jobs().await.logs(request).await.unwrap().into_inner();

    let attempt = agent.starts(1).await[0];
    agent.report_durably(vec![printed(attempt, 0, b"one")]).await;
    let first = log.message().await.unwrap().unwrap();
    // What comes again is there once.
    agent.report_durably(vec![printed(attempt, 0, b"one"), printed(attempt, 3, b"two")]).await;
    let second = log.message().await.unwrap().unwrap();
    let mut end = passed(attempt);
    if let v1::report::Body::Ended(end) = &mut end[1] {
        end.usage = Some(v1::Usage { stdout_bytes: 100, truncated: true, ..Default::default() });
    }
    agent.report_durably(end.into()).await;
    let cut = log.message().await.unwrap().unwrap();

    assert_eq!((first.data, first.offset), (b"one".to_vec(), 0));
    assert_eq!((second.data, second.offset), (b"two".to_vec(), 3));
    assert!(cut.truncated && cut.data.is_empty());
    assert!(log.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_have_the_living_and_the_ended_newest_first() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let first = world.submit(job()).await;
    agent.work(1).await;
    world.wait(first).await;
    agent.hang_up();
    let second = world.submit(v1::JobSpec { name: "later".to_owned(), ..job() }).await;
    let mut client = world.jobs().await;
    let mut list = async |request: v1::ListJobsRequest| {
        let reply = client.list(request).await.unwrap().into_inner();
        (reply.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), reply.more)
    };

    let open = list(v1::ListJobsRequest::default()).await;
    let all = list(v1::ListJobsRequest { all: true, ..Default::default() }).await;
    let one = list(v1::ListJobsRequest { all: true, limit: 1, ..Default::default() }).await;
    let rest = list(v1::ListJobsRequest { all: true, before: second, ..Default::default() }).await;
    let named =
        list(v1::ListJobsRequest { all: true, name_contains: "late".into(), ..Default::default() })
            .await;

    assert_eq!(open, (vec![second], false));
    assert_eq!(all, (vec![second, first], false));
    assert_eq!(one, (vec![second], true));
    assert_eq!(rest, (vec![first], false));
    assert_eq!(named, (vec![second], false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_go_through_one_agent() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 64).await;
    let job = world.submit(array(1000)).await;

    let work = agent.work(1000);
    tokio::time::timeout(Duration::from_mins(1), work).await.unwrap();
    let ended = world.wait(job).await;

    assert_eq!((ended.state(), ended.succeeded), (v1::JobState::Succeeded, 1000));
}

/// What a job has printed.
pub(crate) async fn logs(world: &World, job: u64, follow: bool) -> String {
    let request = v1::LogsRequest { job, follow, ..v1::LogsRequest::default() };
    let mut log = world.jobs().await.logs(request).await.expect("a log").into_inner();
    let mut text = Vec::new();
    while let Some(chunk) = log.message().await.expect("a chunk") {
        text.extend(chunk.data);
    }
    String::from_utf8(text).expect("UTF-8")
}
