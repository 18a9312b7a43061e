//! Tasks are stopped, and nothing of them stays.

use std::time::Duration;

use repower_proto::v1::{AttemptRef, JobSpec, OutcomeKind, StopReason, Stream, Welcome};

use crate::fake::{Fake, terms};
use crate::house::{House, gone, now};
use crate::orders::{attempt, command, define, shell, start, stop};

/// The first line that a task printed, as a pid.
async fn pid(fake: &Fake, attempt: AttemptRef) -> i32 {
    fake.until("a pid", |memory| {
        let text = String::from_utf8(memory.output(attempt, Stream::Stdout)).unwrap();
        text.contains('\n').then(|| text.lines().next().unwrap().trim().parse().unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_task_gets_sigterm_and_may_clean_up() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let line = "trap 'echo bye; kill $!; exit 3' TERM; echo $$; sleep 300 & wait";
    let attempt = fake.run(1, shell(line)).await;
    pid(&fake, attempt).await;
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(fake.memory().output(attempt, Stream::Stdout).ends_with(b"bye\n"));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ignores_sigterm_is_killed_after_its_grace_with_all_its_group() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let line = "trap '' TERM; sleep 300 & echo $!; while :; do sleep 1; done";
    let attempt = fake.run(1, JobSpec { grace_ms: 300, ..shell(line) }).await;
    let sleeper = pid(&fake, attempt).await;
    let asked = now();
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(asked.elapsed() >= Duration::from_millis(300));
    gone(sleeper).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_stopped_at_its_time_limit() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let attempt = fake.run(1, JobSpec { time_limit_ms: 200, ..command(&["sleep", "300"]) }).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::TimedOut);
    let wall = ended.usage.unwrap().wall_us;
    // The limit is kept in whole milliseconds.
    assert!((199_000..20_000_000).contains(&wall), "{wall}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_given_back_and_what_runs_is_not() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let attempts: Vec<_> = (0..4).map(|index| attempt(1, index)).collect();
    fake.order(vec![define(1, command(&["sleep", "300"]))]).await;
    fake.order(attempts.iter().map(|one| start(*one)).collect()).await;
    fake.started(attempts[1]).await;
    fake.order(attempts.iter().map(|one| stop(*one, StopReason::Recalled)).collect()).await;

    for waiting in &attempts[2..] {
        let ended = fake.ended(*waiting).await;
        assert_eq!((ended.outcome.unwrap().kind(), ended.started_ms), (OutcomeKind::Recalled, 0));
    }
    assert!(attempts[..2].iter().all(|running| fake.memory().ended(*running).is_none()));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_attempt_is_ended_without_a_word() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let stale = fake.run(1, shell("echo $$; exec sleep 300")).await;
    let process = pid(&fake, stale).await;
    fake.order(vec![stop(stale, StopReason::Stale)]).await;
    gone(process).await;
    let later = fake.run(2, command(&["true"])).await;
    fake.ended(later).await;

    assert!(fake.memory().ended(stale).is_none());
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_ends_stops_its_tasks_reports_them_and_says_goodbye() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let running = fake.run(1, shell("echo $$; exec sleep 300")).await;
    let process = pid(&fake, running).await;
    agent.stop().await.unwrap();

    let memory = fake.memory();
    let outcome = memory.ended(running).unwrap().outcome.unwrap();
    assert_eq!(outcome.kind(), OutcomeKind::Lost);
    assert!(outcome.detail.contains("told to end"));
    assert_eq!(memory.goodbyes.len(), 1);
    assert!(!crate::house::runs(process));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_without_contact_for_its_lease_ends_its_tasks() {
    let fake = Fake::start_with(Welcome { lease_ms: 2000, ..terms() }).await;
    let house = House::new(&fake);
    let agent = house.start();

    let line = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
    let running = fake.run(1, shell(line)).await;
    let process = pid(&fake, running).await;
    let lost = now();
    fake.memory().away = true;
    fake.cut();
    gone(process).await;
    assert!(lost.elapsed() < Duration::from_secs(2), "the lease was over before the task");
    fake.memory().away = false;
    let ended = fake.ended(running).await;

    let outcome = ended.outcome.unwrap();
    assert_eq!(outcome.kind(), OutcomeKind::Lost);
    assert!(outcome.detail.contains("lease"));
    let after = fake.run(2, command(&["true"])).await;
    assert_eq!(fake.ended(after).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preempted_task_saves_its_work_at_the_signal_of_its_job() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let checkpoint = house.folder.path().join("checkpoint");
    let line = format!(
        "trap 'echo step 7 > {}; kill $!; exit 0' USR1; echo $$; sleep 300 & wait",
        checkpoint.display()
    );
    let spec = JobSpec { checkpoint_signal: 10, grace_ms: 60_000, ..shell(&line) };
    let attempt = fake.run(1, spec).await;
    pid(&fake, attempt).await;
    fake.order(vec![stop(attempt, StopReason::Preempted)]).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Preempted, "though it exits with 0");
    assert_eq!(std::fs::read_to_string(checkpoint).unwrap(), "step 7\n");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preempted_task_that_does_not_end_is_killed_after_its_grace() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let real_time = 35;
    let line = "trap 'echo saved' 35; echo $$; while :; do sleep 0.1; done";
    let spec = JobSpec { checkpoint_signal: real_time, grace_ms: 500, ..shell(line) };
    let attempt = fake.run(1, spec).await;
    let process = pid(&fake, attempt).await;
    fake.order(vec![stop(attempt, StopReason::Preempted)]).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Preempted);
    assert!(fake.memory().output(attempt, Stream::Stdout).ends_with(b"saved\n"));
    gone(process).await;
    agent.stop().await.unwrap();
}
