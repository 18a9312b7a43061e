//! Every reason to stop, before and after the start.

use repower_model::{AttemptId, JobId, JobSpec, Outcome, Span, StopReason, TaskId};

use super::{World, attempt, kill, spec, start, terminate};
use crate::{Action, Input, Signal, Status};

#[test]
fn a_cancelled_attempt_that_waits_ends_without_having_started() {
    let mut world = World::new();
    world.start_all(0..3);
    world.actions();

    world.stop(attempt(2), StopReason::Cancelled);

    assert_eq!(world.outcomes(), [(attempt(2), Outcome::Cancelled)]);
    assert_eq!(world.actions(), []);
}

#[test]
fn a_cancelled_attempt_that_runs_gets_sigterm_and_its_own_grace() {
    let mut world = World::with(JobSpec { grace: Span::from_secs(30), ..spec() });

    world.run(0);
    world.stop(attempt(0), StopReason::Cancelled);
    assert_eq!(world.actions(), [terminate(attempt(0))]);
    assert_eq!(world.wake(), 30_000);

    assert_eq!(world.actions(), [kill(attempt(0))]);
    world.exit(attempt(0), Status::Signal(9), true);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Cancelled)]);
}

#[test]
fn a_second_order_to_stop_sends_no_second_signal() {
    let mut world = World::new();

    world.run(0);
    world.stop(attempt(0), StopReason::Cancelled);
    world.actions();
    world.stop(attempt(0), StopReason::Cancelled);

    assert_eq!(world.actions(), []);
}

#[test]
fn what_is_cancelled_between_launch_and_start_is_stopped_when_it_runs() {
    let mut world = World::new();

    world.start(0);
    world.actions();
    world.stop(attempt(0), StopReason::Cancelled);
    assert_eq!(world.actions(), []);
    world.tell(Input::Started { attempt: attempt(0) });

    assert_eq!(world.actions(), [terminate(attempt(0))]);
    world.exit(attempt(0), Status::Signal(15), true);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Cancelled)]);
}

#[test]
fn what_is_cancelled_and_then_fails_to_start_is_cancelled() {
    let mut world = World::new();

    world.start(0);
    world.stop(attempt(0), StopReason::Cancelled);
    world.tell(Input::NotStarted { attempt: attempt(0), detail: "no such program".into() });

    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Cancelled)]);
}

#[test]
fn a_recall_gives_back_only_what_has_not_started() {
    let mut world = World::new();

    world.run(0);
    world.start(1);
    world.start(2);
    world.actions();
    (0..3).for_each(|index| world.stop(attempt(index), StopReason::Recalled));

    assert_eq!(world.actions(), []);
    assert_eq!(world.outcomes(), [(attempt(2), Outcome::Recalled)]);
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Exited { code: 0 })]);
}

#[test]
fn a_stale_attempt_ends_without_a_report() {
    let mut world = World::new();
    world.start_all(0..3);
    world.tell(Input::Started { attempt: attempt(0) });
    world.actions();
    world.sent();

    world.stop(attempt(0), StopReason::Stale);
    world.stop(attempt(2), StopReason::Stale);
    assert_eq!(world.actions(), [terminate(attempt(0))]);
    assert_eq!(world.wake(), 5_000, "nobody waits for it, so its grace is short");
    world.exit(attempt(0), Status::Signal(15), true);

    assert_eq!(world.sent(), None);
    assert_eq!(world.session.held().collect::<Vec<_>>(), [attempt(1)]);
}

#[test]
fn what_was_cancelled_and_is_then_stale_is_not_reported() {
    let mut world = World::new();

    world.run(0);
    world.stop(attempt(0), StopReason::Cancelled);
    world.stop(attempt(0), StopReason::Stale);
    world.exit(attempt(0), Status::Signal(15), true);

    assert_eq!(world.outcomes(), []);
    assert!(world.session.is_idle());
}

#[test]
fn a_task_that_has_ended_by_itself_is_not_cancelled_any_more() {
    let mut world = World::new();

    world.run(0);
    world.exit(attempt(0), Status::Code(0), false);
    world.stop(attempt(0), StopReason::Cancelled);
    world.tell(Input::Drained { attempt: attempt(0) });

    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Exited { code: 0 })]);
}

#[test]
fn an_order_to_stop_what_is_not_known_changes_nothing() {
    let mut world = World::new();

    world.stop(attempt(7), StopReason::Cancelled);

    assert_eq!(world.actions(), []);
    assert_eq!(world.sent(), None);
}

#[test]
fn an_agent_that_leaves_stops_what_runs_and_gives_back_what_waits() {
    let mut world = World::new();
    world.run(0);
    world.run(1);
    world.start(2);

    world.tell(Input::Leave);
    assert_eq!(world.actions(), [terminate(attempt(0)), terminate(attempt(1))]);
    assert_eq!(world.wake(), 5_000);
    world.exit(attempt(0), Status::Code(0), true);
    world.exit(attempt(1), Status::Signal(9), true);

    assert_eq!(world.actions(), [kill(attempt(0)), kill(attempt(1))]);
    let outcomes = world.outcomes();
    assert_eq!(outcomes[0], (attempt(2), Outcome::Recalled));
    assert!(matches!(&outcomes[1].1, Outcome::Lost { detail } if detail.contains("told to end")));
    assert_eq!(outcomes.len(), 3);
    assert!(world.session.is_idle() && !world.session.is_settled());
    world.tell(Input::Acknowledged(u64::MAX));
    assert!(world.session.is_settled());
}

#[test]
fn an_agent_that_leaves_ignores_orders_to_start_and_so_comes_to_rest() {
    let mut world = World::new();

    world.tell(Input::Leave);
    world.start(0);
    world.tell(start(AttemptId { task: TaskId { job: JobId(9), index: 0 }, number: 1 }.rank(0)));

    assert_eq!(world.actions(), []);
    assert_eq!(world.sent(), None);
    assert_eq!(world.session.held().count(), 0);
    assert!(world.session.is_settled());
}

/// How long a task with a grace of ten minutes lives on if it is cancelled and `then` happens a second later.
fn grace_after(then: impl FnOnce(&mut World)) -> u64 {
    let mut world = World::with(JobSpec { grace: Span::from_secs(600), ..spec() });
    world.run(0);
    world.stop(attempt(0), StopReason::Cancelled);
    assert_eq!(world.actions(), [terminate(attempt(0))]);
    world.pass(1000);
    then(&mut world);
    assert_eq!(world.actions(), [], "one SIGTERM is enough");
    let grace = world.wake();
    assert_eq!(world.actions(), [kill(attempt(0))]);
    grace
}

#[test]
fn a_later_reason_to_stop_shortens_a_long_grace() {
    let lose_the_lease = |world: &mut World| {
        world.tell(Input::LinkDown { contact: world.now.steady });
        assert_eq!(world.wake(), 30_000);
    };

    assert_eq!(grace_after(|world| world.stop(attempt(0), StopReason::Stale)), 5_000);
    assert_eq!(grace_after(|world| world.tell(Input::Leave)), 5_000);
    assert_eq!(grace_after(lose_the_lease), 5_000);
}

#[test]
fn a_later_reason_to_stop_never_lengthens_the_grace() {
    let cancel = |world: &mut World| world.stop(attempt(0), StopReason::Cancelled);
    let leave_twice = |world: &mut World| {
        world.tell(Input::Leave);
        world.pass(1000);
        world.tell(Input::Leave);
        world.stop(attempt(0), StopReason::Stale);
    };

    assert_eq!(grace_after(cancel), 599_000);
    assert_eq!(grace_after(leave_twice), 4_000);
}

#[test]
fn what_is_cancelled_before_it_runs_while_the_agent_leaves_gets_the_short_grace() {
    let mut world = World::with(JobSpec { grace: Span::from_secs(600), ..spec() });

    world.start(0);
    world.stop(attempt(0), StopReason::Cancelled);
    world.tell(Input::Leave);
    world.tell(Input::Started { attempt: attempt(0) });

    assert_eq!(world.wake(), 5_000);
}

#[test]
fn a_preempted_attempt_gets_the_signal_of_its_job_and_is_preempted_whatever_it_exits_with() {
    for status in [Status::Code(0), Status::Code(3), Status::Signal(10)] {
        let spec = JobSpec { checkpoint_signal: Some(10), grace: Span::from_secs(30), ..spec() };
        let mut world = World::with(spec);

        world.run(0);
        world.stop(attempt(0), StopReason::Preempted);
        let signal = Signal::Checkpoint(10);
        assert_eq!(world.actions(), [Action::Signal { attempt: attempt(0), signal }]);
        world.exit(attempt(0), status, true);

        assert_eq!(world.outcomes(), [(attempt(0), Outcome::Preempted)]);
        assert_eq!(world.actions(), []);
    }
}

#[test]
fn a_preempted_attempt_that_goes_on_is_killed_after_its_own_grace() {
    let mut world = World::with(JobSpec { grace: Span::from_secs(30), ..spec() });

    world.run(0);
    world.stop(attempt(0), StopReason::Preempted);
    assert_eq!(world.actions(), [terminate(attempt(0))], "no signal of its own: SIGTERM");
    assert_eq!(world.wake(), 30_000);

    assert_eq!(world.actions(), [kill(attempt(0))]);
    world.exit(attempt(0), Status::Signal(9), true);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Preempted)]);
}

#[test]
fn only_a_preemption_uses_the_signal_of_the_job() {
    let mut world = World::with(JobSpec { checkpoint_signal: Some(10), ..spec() });

    world.run(0);
    world.stop(attempt(0), StopReason::Cancelled);

    assert_eq!(world.actions(), [terminate(attempt(0))]);
}

#[test]
fn what_is_preempted_before_it_starts_is_given_back() {
    let mut world = World::new();
    world.start_all(0..3);
    world.actions();

    world.stop(attempt(2), StopReason::Preempted);

    assert_eq!(world.outcomes(), [(attempt(2), Outcome::Recalled)]);
}
