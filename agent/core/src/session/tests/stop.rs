//! Every reason to stop, before and after the start.

use repower_model::{
    AttemptId, JobId, JobSpec, OnDisconnect, Outcome, Span, StopCause, StopReason, StopStep, TaskId,
};

use super::{World, attempt, kill, spec, start, terminate};
use crate::{Action, Input, Report, Signal, Status};

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
fn nobody_waits_for_the_work_of_what_is_cancelled() {
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

/// A job that saves its work on SIGUSR1 within 20 seconds, and ends within 10.
fn saver() -> JobSpec {
    JobSpec {
        checkpoint_signal: Some(10),
        checkpoint_grace: Some(Span::from_secs(20)),
        grace: Span::from_secs(10),
        ..spec()
    }
}

fn save(whose: repower_model::RankId) -> Action {
    Action::Signal { attempt: whose, signal: Signal::Checkpoint(10) }
}

/// The steps of the stop in the next message, with the milliseconds since the first.
fn steps(world: &mut World) -> Vec<(StopStep, StopCause, i32, u64)> {
    let mut first = None;
    let reports = world.sent().map(|(_, reports)| reports).unwrap_or_default();
    let step = |report| match report {
        Report::Stopping { step, cause, signal, taken, .. } => {
            let first = *first.get_or_insert(taken);
            Some((step, cause, signal, taken.since(first).as_millis()))
        }
        Report::Started { .. }
        | Report::Output { .. }
        | Report::Kept { .. }
        | Report::Saved { .. }
        | Report::Noticed(_)
        | Report::Claimed { .. }
        | Report::Ended { .. } => None,
    };
    reports.into_iter().filter_map(step).collect()
}

/// What an attempt of `saver` that obeys no signal is sent when `stop` happens, and when.
fn steps_after(
    spec: JobSpec,
    stop: impl FnOnce(&mut World),
) -> Vec<(StopStep, StopCause, i32, u64)> {
    let mut world = World::with(spec);
    world.run(0);
    stop(&mut world);
    while !world.actions().contains(&kill(attempt(0))) {
        world.wake();
    }
    world.exit(attempt(0), Status::Signal(9), true);
    world.tell(Input::LinkUp(super::terms()));
    steps(&mut world)
}

#[test]
fn every_stop_but_a_cancel_lets_the_task_save_its_work_first() {
    use StopStep::{Checkpoint, Kill, Terminate};
    let all = |cause, saving, ending| {
        vec![(Checkpoint, cause, 10, 0), (Terminate, cause, 15, saving), (Kill, cause, 9, ending)]
    };
    let order = |reason| move |world: &mut World| world.stop(attempt(0), reason);

    let preempted = steps_after(saver(), order(StopReason::Preempted));
    let drained = steps_after(saver(), order(StopReason::Drained));
    let limited = JobSpec { time_limit: Some(Span::from_secs(60)), ..saver() };
    let timed_out = steps_after(limited, |_| ());
    let left = steps_after(saver(), |world| world.tell(Input::Leave));
    let lost = steps_after(saver(), |world| {
        world.tell(Input::LinkDown { contact: world.now.steady });
    });
    let cancelled = steps_after(saver(), order(StopReason::Cancelled));

    assert_eq!(preempted, all(StopCause::Preempted, 20_000, 30_000));
    assert_eq!(drained, all(StopCause::Drained, 20_000, 30_000));
    assert_eq!(timed_out, all(StopCause::TimedOut, 20_000, 30_000));
    assert_eq!(left, all(StopCause::Leaving, 2_500, 5_000), "an end does not wait for long");
    assert_eq!(lost, all(StopCause::LeaseLost, 2_500, 5_000), "a lease waits for nobody");
    let cancel = StopCause::Cancelled;
    assert_eq!(cancelled, [(Terminate, cancel, 15, 0), (Kill, cancel, 9, 10_000)]);
}

#[test]
fn a_checkpoint_grace_that_is_not_given_is_as_long_as_the_grace() {
    let spec = JobSpec { checkpoint_grace: None, ..saver() };

    let steps = steps_after(spec, |world| world.stop(attempt(0), StopReason::Preempted));

    assert_eq!(steps.iter().map(|step| step.3).collect::<Vec<_>>(), [0, 10_000, 20_000]);
}

#[test]
fn a_process_that_ends_on_the_way_is_not_signalled_again() {
    let mut world = World::with(saver());

    world.run(0);
    world.stop(attempt(0), StopReason::Preempted);
    world.exit(attempt(0), Status::Signal(10), true);

    assert_eq!(world.actions(), [save(attempt(0))]);
    let wake = world.session.wake_at();
    assert!(wake.is_none_or(|at| at.since(world.now.steady) > Span::from_secs(60)), "{wake:?}");
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Preempted)]);
}

#[test]
fn a_cancel_ends_the_wait_for_what_is_being_saved() {
    let mut world = World::with(saver());

    world.run(0);
    world.stop(attempt(0), StopReason::Preempted);
    world.pass(1000);
    world.stop(attempt(0), StopReason::Cancelled);

    assert_eq!(world.actions(), [save(attempt(0)), terminate(attempt(0))]);
    assert_eq!(world.wake(), 10_000);
    assert_eq!(world.actions(), [kill(attempt(0))]);
}

#[test]
fn an_agent_that_leaves_shortens_what_is_being_saved() {
    let mut world = World::with(saver());

    world.run(0);
    world.stop(attempt(0), StopReason::Preempted);
    world.tell(Input::Leave);

    assert_eq!((world.wake(), world.wake()), (2_500, 2_500));
    assert_eq!(world.actions(), [save(attempt(0)), terminate(attempt(0)), kill(attempt(0))]);
}

/// How an attempt ends that has the checkpoint code 85, was stopped by `stop` and exits with `code`.
fn end_of(code: i32, stop: impl FnOnce(&mut World)) -> Outcome {
    let limit = Some(Span::from_secs(60));
    let mut world =
        World::with(JobSpec { checkpoint_exit: Some(85), time_limit: limit, ..saver() });
    world.run(0);
    stop(&mut world);
    world.exit(attempt(0), Status::Code(code), true);
    world.outcomes().remove(0).1
}

#[test]
fn the_checkpoint_code_asks_for_another_start() {
    let saved = Outcome::Checkpointed { code: 85 };
    let limit = |world: &mut World| assert_eq!(world.wake(), 60_000);
    let order = |reason| move |world: &mut World| world.stop(attempt(0), reason);

    assert_eq!(end_of(85, |_| ()), saved);
    assert_eq!(end_of(85, limit), saved);
    assert_eq!(end_of(85, |world| world.tell(Input::Leave)), saved);
    assert_eq!(end_of(85, order(StopReason::Preempted)), Outcome::Preempted);
    assert_eq!(end_of(85, order(StopReason::Cancelled)), Outcome::Cancelled);
    assert_eq!(end_of(84, |_| ()), Outcome::Exited { code: 84 });
    assert_eq!(end_of(84, limit), Outcome::TimedOut);
}

#[test]
fn zero_is_success_in_a_stop_only_for_a_job_that_has_a_code_for_saved() {
    let done = Outcome::Exited { code: 0 };
    let order = |reason| move |world: &mut World| world.stop(attempt(0), reason);

    assert_eq!(end_of(0, order(StopReason::Preempted)), done);
    assert_eq!(end_of(0, order(StopReason::Drained)), done);
    assert_eq!(end_of(0, |world| world.tell(Input::Leave)), done);
    assert_eq!(end_of(0, order(StopReason::Cancelled)), Outcome::Cancelled);
}

#[test]
fn a_job_that_is_kept_runs_on_through_the_end_of_the_lease_but_starts_nothing_new() {
    let mut world = World::with(JobSpec { on_disconnect: OnDisconnect::Keep, ..saver() });
    world.run(0);
    world.start(1);
    world.start(2);
    world.launched();

    world.tell(Input::LinkDown { contact: world.now.steady });
    world.wake();
    world.tell(Input::Started { attempt: attempt(1) });

    assert_eq!(world.actions(), []);
    assert_eq!(world.session.wake_at(), None);
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.launched(), []);
    world.tell(Input::LinkUp(super::terms()));
    let ends = [(attempt(2), Outcome::Recalled), (attempt(0), Outcome::Exited { code: 0 })];
    assert_eq!(world.outcomes(), ends);
    assert_eq!(world.session.held().count(), 3);
}

#[test]
fn a_job_that_is_kept_still_has_its_time_limit_and_its_whole_grace() {
    let limit = Some(Span::from_secs(60));
    let keep = JobSpec { on_disconnect: OnDisconnect::Keep, time_limit: limit, ..saver() };

    let steps = steps_after(keep, |world| {
        world.tell(Input::LinkDown { contact: world.now.steady });
    });

    assert_eq!(steps.iter().map(|step| step.1).collect::<Vec<_>>(), [StopCause::TimedOut; 3]);
    assert_eq!(steps.iter().map(|step| step.3).collect::<Vec<_>>(), [0, 20_000, 30_000]);
}
