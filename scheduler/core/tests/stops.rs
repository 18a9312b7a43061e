//! How attempts are stopped, what they go back to, and what goes on where nobody can see it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::{Answer, Effect};
use repower_core::fact::Fact;
use repower_core::input::{Input, Report, Rest};
use repower_core::life::attempt::Phase;
use repower_core::plan::why;
use repower_model::{
    AttemptId, Gang, JobSpec, JobState, Layout, NodeId, NodePhase, OnDisconnect, Outcome, Retries,
    Role, Span, StopCause, StopReason, StopStep,
};
use world::{World, attempt, exited, job};

/// A job that saves its work on SIGUSR1 within 20 seconds, and ends within 10.
fn saver() -> JobSpec {
    JobSpec {
        checkpoint_signal: Some(10),
        checkpoint_grace: Some(Span::from_secs(20)),
        checkpoint_exit: Some(85),
        grace: Span::from_secs(10),
        ..job()
    }
}

fn keeper() -> JobSpec {
    JobSpec { on_disconnect: OnDisconnect::Keep, ..job() }
}

fn drain(node: NodeId, rest: Rest) -> Input {
    Input::Drain { node, rest, by: "op".into(), reason: "a fan".into() }
}

fn silent(node: NodeId) -> Input {
    Input::Silent { node, reason: "no heartbeat".into() }
}

fn step(attempt: AttemptId, step: StopStep, cause: StopCause, world: &World) -> Report {
    Report::Stopping { rank: attempt.rank(0), step, cause, signal: 10, taken: world.now }
}

/// Runs one task of a job; returns its attempt and node.
fn run(world: &mut World, spec: JobSpec) -> (AttemptId, NodeId) {
    world.submit(spec);
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    (attempt, node)
}

fn stops(effects: &[Effect]) -> Vec<(NodeId, StopReason)> {
    let stops = effects.iter().filter_map(|effect| match effect {
        Effect::Stop { node, why, .. } => Some((*node, *why)),
        _ => None,
    });
    stops.collect()
}

/// In how many milliseconds an attempt is expected to give back what it holds.
fn left(world: &World, attempt: AttemptId) -> u64 {
    let until = world.engine.state().attempts[&attempt.task].until.unwrap();
    until.since(world.now).as_millis()
}

#[test]
fn a_drain_that_stops_sends_what_runs_and_what_waits_back_to_pending() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());

    let turn = world.turn(&drain(node, Rest::Stops)).unwrap();
    let again = world.turn(&drain(node, Rest::Stops)).unwrap();

    assert_eq!(stops(&turn.effects), [(node, StopReason::Drained)]);
    assert_eq!(again.facts, [], "it is being stopped already");
    assert_eq!(world.engine.state().attempts[&first.task].phase, Phase::Draining);
    world.end(first, Outcome::Drained);
    let job = &world.engine.state().jobs[&first.task.job];
    assert_eq!((job.state(), job.pending.len()), (JobState::Pending, 1));
    assert_eq!(world.schedule(), [], "the node takes no work");
}

#[test]
fn a_node_that_missed_the_order_is_told_again_that_it_is_drained() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());
    world.turn(&drain(node, Rest::Stops)).unwrap();

    let effects = world.hello(node, 1, 1, &[first]);

    assert_eq!(stops(&effects), [(node, StopReason::Drained)]);
}

#[test]
fn the_end_of_what_is_stopped_is_expected_after_both_graces_and_nearer_with_each_step() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());

    world.turn(&drain(node, Rest::Stops)).unwrap();
    let told = left(&world, first);
    world.wait(3_000);
    let report = step(first, StopStep::Checkpoint, StopCause::Drained, &world);
    world.turn(&Input::Report { node, report }).unwrap();
    let saving = left(&world, first);
    world.wait(20_000);
    let report = step(first, StopStep::Terminate, StopCause::Drained, &world);
    world.turn(&Input::Report { node, report }).unwrap();

    assert_eq!((told, saving, left(&world, first)), (30_000, 30_000, 10_000));
}

#[test]
fn a_cancel_is_expected_to_take_no_longer_than_the_grace() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());
    world.turn(&drain(node, Rest::Stops)).unwrap();

    let (job, by, reason) = (first.task.job, "ada".to_owned(), "enough".to_owned());
    world.turn(&Input::Cancel { job, tasks: None, by, role: Role::Submitter, reason }).unwrap();

    assert_eq!(left(&world, first), 10_000);
    world.end(first, Outcome::Drained);
    assert_eq!(world.outcome_of(job), Some((JobState::Cancelled, 130)));
}

#[test]
fn why_says_which_signal_comes_next_and_when() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());
    let says = |world: &World| {
        let why = why(world.engine.state(), first.task.job, None, world.now).unwrap();
        (why.reason.code(), why.reason.to_string())
    };

    world.turn(&drain(node, Rest::Stops)).unwrap();
    let told = says(&world);
    let report = step(first, StopStep::Checkpoint, StopCause::Drained, &world);
    world.turn(&Input::Report { node, report }).unwrap();
    world.wait(5_000);

    assert_eq!(
        told,
        ("task.stopping", "node n1 was told to stop it, and has not begun to".to_owned())
    );
    assert_eq!(
        says(&world).1,
        "node n1 is stopping it (drained): it got its checkpoint signal 5s ago, and gets SIGTERM in 15s"
    );
}

#[test]
fn a_success_in_a_stop_is_a_success() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, saver());
    world.turn(&drain(node, Rest::Stops)).unwrap();

    world.end(first, exited(0));

    assert_eq!(world.outcome_of(first.task.job), Some((JobState::Succeeded, 0)));
}

#[test]
fn a_task_that_checkpoints_at_once_again_and_again_waits_longer_each_time() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(saver());
    let mut waits = Vec::new();
    for number in 1..=13 {
        let (attempt, node) = world.schedule()[0];
        assert_eq!(attempt.number, number);
        world.started(attempt);
        world.end_on(node, attempt, Outcome::Checkpointed { code: 85 }, 5_000);
        assert_eq!(world.schedule(), [], "it waits");
        let (at, _) = *world.engine.state().jobs[&id].delayed.first().unwrap();
        let wait = at.since(world.now).as_millis();
        waits.push(wait / 1000);
        world.wait(wait);
    }

    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    world.end_on(node, attempt, Outcome::Checkpointed { code: 85 }, 10_000_000);
    assert_eq!(world.schedule().len(), 1, "one that has got somewhere goes on at once");
    let tries = &world.engine.state().jobs[&id].tries[&0];
    assert_eq!((tries.user, tries.system, tries.checkpoints), (0, 0, 0));
}

#[test]
fn what_is_kept_is_not_replaced_while_its_node_is_out_of_touch() {
    let mut world = World::with_nodes(&[1, 1]);
    let (first, node) = run(&mut world, keeper());

    world.turn(&silent(node)).unwrap();
    let placed = world.schedule();

    assert_eq!(placed, []);
    let state = world.engine.state();
    assert_eq!(state.nodes[&node].phase, NodePhase::Lost);
    let why = why(state, first.task.job, None, world.now).unwrap();
    assert_eq!(why.reason.code(), "task.out-of-touch");
    let effects = world.hello(node, 1, 1, &[first]);
    assert_eq!(stops(&effects), [], "it goes on");
    world.end(first, exited(0));
    assert_eq!(world.outcome_of(first.task.job), Some((JobState::Succeeded, 0)));
}

#[test]
fn what_was_kept_is_lost_when_its_node_comes_back_without_its_processes() {
    let mut world = World::with_nodes(&[1, 1]);
    let (first, node) = run(&mut world, keeper());
    world.turn(&silent(node)).unwrap();

    world.hello(node, 2, 1, &[]);
    let placed = world.schedule();

    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].0, attempt(first.task.job, 0, 2));
}

#[test]
fn what_is_not_kept_is_tried_elsewhere_at_once() {
    let mut world = World::with_nodes(&[1, 1]);
    let (first, node) = run(&mut world, job());

    world.turn(&silent(node)).unwrap();

    assert_eq!(world.schedule()[0].0, attempt(first.task.job, 0, 2));
}

#[test]
fn a_cancel_reaches_what_is_kept_when_its_node_comes_back() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, keeper());
    world.turn(&silent(node)).unwrap();

    let (job, by, reason) = (first.task.job, "ada".to_owned(), "enough".to_owned());
    let cancel = Input::Cancel { job, tasks: None, by, role: Role::Submitter, reason };
    let answer = world.turn(&cancel).unwrap().answer;
    let effects = world.hello(node, 1, 1, &[first]);

    let expected = Answer::Cancelled { pending: 0, stopping: 1, out_of_touch: 1, given_up: 0 };
    assert_eq!(answer, expected);
    assert_eq!(stops(&effects), [(node, StopReason::Cancelled)]);
}

#[test]
fn a_cancel_by_force_ends_what_is_out_of_touch_at_once_in_the_books() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, keeper());
    world.turn(&silent(node)).unwrap();

    let (job, by, reason) = (first.task.job, "ada".to_owned(), "enough".to_owned());
    let turn =
        world.turn(&Input::GiveUp { job, tasks: None, by, role: Role::Submitter, reason }).unwrap();
    let effects = world.hello(node, 1, 1, &[first]);

    let expected = Answer::Cancelled { pending: 0, stopping: 1, out_of_touch: 1, given_up: 1 };
    assert_eq!(turn.answer, expected);
    assert_eq!(world.outcome_of(job), Some((JobState::Cancelled, 130)));
    let ended = turn.facts.iter().find_map(|fact| match fact {
        Fact::AttemptEnded(ended) => Some(&ended.outcome),
        _ => None,
    });
    let Some(Outcome::Lost { detail }) = ended else { panic!("{ended:?}") };
    assert_eq!(
        detail,
        "given up by ada while its node n1 was out of touch, where it may still run"
    );
    assert_eq!(stops(&effects), [(node, StopReason::Stale)], "it is stopped when it is seen again");
}

#[test]
fn a_cancel_by_force_stops_in_order_what_can_be_reached() {
    let mut world = World::with_nodes(&[1]);
    let (first, node) = run(&mut world, keeper());

    let (job, by, reason) = (first.task.job, "ada".to_owned(), "enough".to_owned());
    let turn =
        world.turn(&Input::GiveUp { job, tasks: None, by, role: Role::Submitter, reason }).unwrap();

    assert_eq!(stops(&turn.effects), [(node, StopReason::Cancelled)]);
    assert_eq!(world.outcome_of(job), None);
}

#[test]
fn a_node_that_will_not_come_back_is_given_up_and_its_work_tried_elsewhere() {
    let mut world = World::with_nodes(&[1, 1]);
    let (first, node) = run(&mut world, keeper());

    let early = world.turn(&drain(node, Rest::IsGivenUp)).unwrap_err();
    world.turn(&silent(node)).unwrap();
    world.turn(&drain(node, Rest::IsGivenUp)).unwrap();

    assert_eq!(early.code(), "node.is-up");
    assert_eq!(world.schedule()[0].0, attempt(first.task.job, 0, 2));
    world.hello(node, 1, 1, &[]);
    assert!(!world.engine.state().nodes[&node].takes_work(), "somebody looks at it first");
}

#[test]
fn the_other_ranks_of_a_gang_save_their_work_when_one_has_saved_its_own() {
    let mut world = World::with_nodes(&[1, 1]);
    let gang = Some(Gang { nodes: 2, ranks_per_node: 1, layout: Layout::Spread });
    let retries = Retries { user: 0, system: 0 };
    world.submit(JobSpec { gang, retries, ..saver() });
    let (id, _) = world.schedule()[0];
    let end = |world: &mut World, rank: u32, outcome: Outcome| {
        let usage = repower_model::Usage { wall_us: 60_000_000, ..Default::default() };
        let (started, ended) = (Some(world.now), world.now);
        let report = Report::Ended { rank: id.rank(rank), outcome, usage, started, ended };
        let node = NodeId(rank + 1);
        world.turn(&Input::Report { node, report }).unwrap()
    };

    let first = end(&mut world, 0, Outcome::Checkpointed { code: 85 });
    let expected = left(&world, id);
    end(&mut world, 1, Outcome::Checkpointed { code: 85 });

    assert_eq!(stops(&first.effects), [(NodeId(2), StopReason::Checkpointed)]);
    assert_eq!(expected, 30_000);
    assert_eq!(world.schedule()[0].0, attempt(id.task.job, 0, 2));
}

#[test]
fn what_makes_no_sense_of_a_checkpoint_is_refused() {
    let mut world = World::with_nodes(&[1]);
    let grace = JobSpec { checkpoint_grace: Some(Span::from_secs(1)), ..job() };
    let mut code = |spec: JobSpec| world.try_submit(spec).unwrap_err().to_string();

    assert_eq!(
        code(grace),
        "the checkpoint grace is given, but no checkpoint signal after which it would begin"
    );
    for bad in [0, -1, 256] {
        assert_eq!(
            code(JobSpec { checkpoint_exit: Some(bad), ..job() }),
            format!(
                "the checkpoint exit code is {bad}, but must be between 1 and 255: 0 says that all is done"
            )
        );
    }
}
