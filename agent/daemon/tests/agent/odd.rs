//! Tasks that do to their own processes what few programs do: they end as they say, and nothing of them stays.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use repower_proto::v1::{AttemptRef, Isolation, JobSpec, OutcomeKind, StopReason, Stream};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{House, gone, runs};
use crate::killed::{executor, pids};
use crate::orders::{command, shell, stop};

fn boxed(spec: JobSpec) -> JobSpec {
    JobSpec { project: "red".into(), isolation: Isolation::Boxed.into(), ..spec }
}

/// The pids that a task has written into a file, one a line, when there are `count`.
async fn noted(path: &std::path::Path, count: usize) -> Vec<i32> {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.ends_with('\n').then(|| text.lines().map(|line| line.parse().unwrap()));
        if let Some(all) = whole.map(Iterator::collect::<Vec<_>>).filter(|all| all.len() == count) {
            return all;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_closes_its_pipes_goes_on_until_it_ends_by_itself() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    let folder = tempfile::TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);

    // It keeps none of the three, and what it has started has none of them either.
    let line = format!(
        "echo last words; exec <&- >&- 2>&-; sleep 300 & echo $! > {0}/pids; echo $$ >> {0}/pids; \
         until [ -e {0}/go ]; do sleep 0.02; done; exit 7",
        folder.path().display()
    );
    let attempt = fake.run(1, shell(&line)).await;
    let pids = noted(&at("pids"), 2).await;
    let other = fake.run(2, command(&["true"])).await;
    fake.ended(other).await;
    // Time enough for an end to be seen that is none: what comes later is reported later.
    let beats = fake.memory().heartbeats + 5;
    fake.until("five heartbeats", |memory| (memory.heartbeats >= beats).then_some(())).await;
    assert!(fake.memory().ended(attempt).is_none(), "its pipes are closed, but it runs");
    assert!(pids.iter().all(|pid| runs(*pid)));
    std::fs::write(at("go"), "").unwrap();

    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 7), "{outcome:?}");
    assert_eq!(fake.memory().output(attempt, Stream::Stdout), b"last words\n");
    for pid in pids {
        gone(pid).await;
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_closes_its_pipes_is_stopped_like_any_other() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    let folder = tempfile::TempDir::new().unwrap();
    let note = folder.path().join("pids");

    let line = format!(
        "trap '' TERM; exec <&- >&- 2>&-; setsid sleep 300 & echo $! > {0}; echo $$ >> {0}; \
         while :; do sleep 0.05; done",
        note.display()
    );
    let attempt = fake.run(1, JobSpec { grace_ms: 200, ..shell(&line) }).await;
    let pids = noted(&note, 2).await;
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;

    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!(outcome.kind(), OutcomeKind::Cancelled, "{outcome:?}");
    for pid in pids {
        gone(pid).await;
    }
    agent.stop().await.unwrap();
}

/// Tries to kill whoever has started it, and ends with a code of its own if it still can.
const PATRICIDE: &str = "sleep 300 & echo $!; echo $$; kill -9 $PPID; sleep 0.2; exit 6";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_kills_its_parent_as_another_user_or_in_a_box_ends_as_if_it_had_not() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    std::fs::set_permissions(house.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    let before = executor(&house);

    let own = JobSpec { project: "red".into(), project_user: true, ..shell(PATRICIDE) };
    let bare = fake.run(1, own).await;
    let outcome = fake.ended(bare).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 6), "{outcome:?}");
    for pid in pids(&fake, bare, 2).await {
        gone(pid).await;
    }
    if can(&fake, "isolation.boxed") {
        // Its parent is the box's first process, which no signal of its own reaches.
        let inside = fake.run(2, boxed(shell(PATRICIDE))).await;
        let outcome = fake.ended(inside).await.outcome.unwrap();
        assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 6), "{outcome:?}");
    }

    assert_eq!(executor(&house), before, "the executor lives on");
    assert_eq!(fake.memory().hellos.len(), 1, "and nobody has noticed anything");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_kills_its_parent_with_the_agents_own_user_is_lost_and_leaves_nothing() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    let before = executor(&house);

    // It waits until it has been heard: what an executor that is killed has not passed on is lost with it.
    let folder = tempfile::TempDir::new().unwrap();
    let line = format!(
        "trap '' TERM HUP; setsid sleep 300 & echo $!; echo $$; until [ -e {}/go ]; do sleep 0.02; done; \
         kill -9 $PPID; exec sleep 300",
        folder.path().display()
    );
    let attempt = fake.run(1, shell(&line)).await;
    let pids = pids(&fake, attempt, 2).await;
    std::fs::write(folder.path().join("go"), "").unwrap();
    fake.until("another hello", |memory| (memory.hellos.len() > 1).then_some(())).await;

    for pid in pids {
        gone(pid).await;
    }
    let hellos = fake.memory().hellos.clone();
    assert_ne!(hellos[0].instance, hellos[1].instance, "to the scheduler, all is lost");
    assert!(hellos[1].held.is_empty() && fake.memory().ended(attempt).is_none());
    assert_ne!(executor(&house), before);
    let after = fake.run(2, command(&["true"])).await;
    assert_eq!(fake.ended(after).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}

/// Says so of two children: one that leads a group of its own, and one that leads a session of its own.
const LEADERS: &str = r#"use POSIX; $| = 1; $SIG{TERM} = "IGNORE";
    for my $own (sub { setpgid(0, 0) }, sub { setsid() }) {
        my $pid = fork // die; unless ($pid) { $own->(); getpgrp == $$ or die; print "$$\n"; sleep 300; exit }
    }"#;

async fn leaders(fake: &Fake, job: u64, then: &str, spec: JobSpec) -> (AttemptRef, Vec<i32>) {
    let script = format!("{LEADERS} {then}");
    let spec = JobSpec { command: command(&["perl", "-e", &script]).command, ..spec };
    let attempt = fake.run(job, spec).await;
    (attempt, pids(fake, attempt, 2).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leads_a_group_or_a_session_of_its_own_ends_with_its_task_however_that_ends() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    let folder = tempfile::TempDir::new().unwrap();
    let go = folder.path().join("go");

    let until = format!("select undef, undef, undef, 0.02 until -e \"{}\"; exit 9", go.display());
    let (ends, first) = leaders(&fake, 1, &until, JobSpec { grace_ms: 200, ..shell("") }).await;
    let forever = "wait while 1";
    let (cancelled, second) =
        leaders(&fake, 2, forever, JobSpec { grace_ms: 200, ..shell("") }).await;
    let limited = JobSpec { grace_ms: 200, time_limit_ms: 2000, ..shell("") };
    let all: Vec<i32> = first.iter().chain(&second).copied().collect();
    assert!(all.iter().all(|pid| runs(*pid)));
    std::fs::write(&go, "").unwrap();
    fake.order(vec![stop(cancelled, StopReason::Cancelled)]).await;
    let outcomes = [fake.ended(ends).await, fake.ended(cancelled).await];
    let (late, third) = leaders(&fake, 3, forever, limited).await;
    let late = fake.ended(late).await.outcome.unwrap();

    let [ends, cancelled] = outcomes.map(|ended| ended.outcome.unwrap());
    assert_eq!((ends.kind(), ends.exit_code), (OutcomeKind::Exited, 9), "{ends:?}");
    assert_eq!(cancelled.kind(), OutcomeKind::Cancelled, "{cancelled:?}");
    assert_eq!(late.kind(), OutcomeKind::TimedOut, "{late:?}");
    for pid in all.into_iter().chain(third) {
        gone(pid).await;
    }
    agent.stop().await.unwrap();
}
