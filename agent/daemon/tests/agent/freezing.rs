//! Tasks stand still, and go on.

use repower_proto::v1::order::Body as Order;
use repower_proto::v1::{AttemptRef, Freeze, JobSpec, OutcomeKind, StopReason, Stream, Thaw};

use crate::boxes::{can, with_memory};
use crate::fake::Fake;
use crate::house::{House, gone};
use crate::killed::{kill, pids};
use crate::orders::{command, shell, stop};

/// Two processes, the second in a session of its own; whoever is asked to end says so.
const PAIR: &str =
    "trap 'echo bye; kill $!; exit 3' TERM; echo $$; setsid sleep 300 & echo $!; wait";

pub(crate) fn freeze(attempt: AttemptRef) -> Order {
    Order::Freeze(Freeze { attempt: Some(attempt) })
}

pub(crate) fn thaw(attempt: AttemptRef) -> Order {
    Order::Thaw(Thaw { attempt: Some(attempt), rules: vec!["registers.rounding-modes".into()] })
}

/// Whether a process stands still: by a signal, or by the freezer of its control group.
fn is_still(pid: i32) -> bool {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read(format!("/proc/{pid}/stat"));
    if stat.rsplit(')').next().unwrap().trim_start().starts_with('T') {
        return true;
    }
    let groups = read(format!("/proc/{pid}/cgroup"));
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    unified.is_some_and(|group| {
        let folders = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        folders.iter().any(|root| read(format!("{root}{group}/cgroup.events")).contains("frozen 1"))
    })
}

/// Lets a process go on, as another of its user could.
fn go_on(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
}

/// Waits until all of these processes stand still, or none does.
pub(crate) async fn until_still(pids: &[i32], wanted: bool) {
    // Nothing tells when a process that is not a child begins to stand still: it is asked.
    for _ in 0..3_000_000 {
        if pids.iter().all(|pid| is_still(*pid) == wanted) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("of {pids:?}, one does not stand still as wanted: {wanted}");
}

/// Freezes a task and lets it go on, twice; the second time because it is cancelled.
async fn freeze_and_thaw(fake: &Fake, spec: JobSpec) {
    let attempt = fake.run(1, spec).await;
    let all = pids(fake, attempt, 2).await;
    until_still(&all, false).await;

    fake.order(vec![freeze(attempt)]).await;
    until_still(&all, true).await;
    fake.order(vec![thaw(attempt)]).await;
    until_still(&all, false).await;
    fake.order(vec![freeze(attempt)]).await;
    until_still(&all, true).await;
    assert!(fake.memory().ended(attempt).is_none(), "who stands still has not ended");

    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    let ended = fake.ended(attempt).await;
    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(fake.memory().output(attempt, Stream::Stdout).ends_with(b"bye\n"), "it was asked");
    gone(all[0]).await;
    gone(all[1]).await;
}

/// Kills a task that stands still, from outside; what comes next does not stand still.
async fn kill_frozen(fake: &Fake, limited: impl Fn(JobSpec) -> JobSpec) {
    let attempt = fake.run(2, limited(shell(PAIR))).await;
    let all = pids(fake, attempt, 2).await;
    fake.order(vec![freeze(attempt)]).await;
    until_still(&all, true).await;

    kill(all[0]);
    let ended = fake.ended(attempt).await;
    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Signalled);
    gone(all[1]).await;
    for job in 3..6 {
        let next = fake.run(job, limited(command(&["true"]))).await;
        assert_eq!(fake.ended(next).await.outcome.unwrap().kind(), OutcomeKind::Exited);
    }
}

/// Ends a task at once that stands still, because it is not what its job declares.
async fn condemn_frozen(fake: &Fake, spec: JobSpec) {
    let attempt = fake.run(7, spec).await;
    let all = pids(fake, attempt, 2).await;
    fake.order(vec![freeze(attempt)]).await;
    until_still(&all, true).await;

    fake.order(vec![stop(attempt, StopReason::Finding)]).await;
    fake.ended(attempt).await;
    gone(all[0]).await;
    gone(all[1]).await;
    let printed = fake.memory().output(attempt, Stream::Stdout);
    assert!(!printed.ends_with(b"bye\n"), "it was not asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_another_process_lets_go_on_is_made_to_stand_still_again() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let attempt = fake.run(1, shell(PAIR)).await;
    let all = pids(&fake, attempt, 2).await;
    fake.order(vec![freeze(attempt)]).await;
    until_still(&all, true).await;

    for pid in all.iter().copied().chain(all.iter().copied()) {
        go_on(pid);
        until_still(&[pid], false).await;
        until_still(&all, true).await;
    }

    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    fake.ended(attempt).await;
    gone(all[0]).await;
    gone(all[1]).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_without_limits_stands_still_with_all_its_processes_and_goes_on() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    freeze_and_thaw(&fake, shell(PAIR)).await;
    kill_frozen(&fake, |spec| spec).await;
    condemn_frozen(&fake, shell(PAIR)).await;

    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_control_group_stands_still_with_all_its_processes_and_goes_on() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.memory") {
        return agent.stop().await.unwrap();
    }

    freeze_and_thaw(&fake, with_memory(64, shell(PAIR))).await;
    kill_frozen(&fake, |spec| with_memory(64, spec)).await;
    condemn_frozen(&fake, with_memory(64, shell(PAIR))).await;

    agent.stop().await.unwrap();
}
