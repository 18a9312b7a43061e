//! What tasks save for their next attempts: who gets it, and when it goes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::Effect;
use repower_core::engine::Engine;
use repower_core::fact::{Fact, OutputsKept};
use repower_core::input::{Input, Report};
use repower_model::{
    AttemptId, Checkpoint, Gang, Hash, Instance, Inventory, JobId, JobSpec, JobState, Layout,
    NodeId, Outcome, Resources, Retries, Role, Stored, TaskId,
};
use world::{World, array, attempt, cpus, exited, job};

fn saving() -> JobSpec {
    JobSpec { checkpoint: true, retries: Retries { user: 3, system: 20 }, ..job() }
}

fn stored(byte: u8) -> Stored {
    Stored { digest: Hash([byte; 32]), bytes: u64::from(byte) }
}

fn dropped(byte: u8) -> Effect {
    Effect::DropStored { digest: Hash([byte; 32]) }
}

/// Its agent says what has become of an attempt's checkpoint.
fn saved(world: &mut World, attempt: AttemptId, kept: Result<Stored, String>) -> Vec<Fact> {
    let node = world.engine.state().attempts[&attempt.task].node;
    world.owed.clear();
    let report = Report::Saved { rank: attempt.rank(0), kept };
    world.turn(&Input::Report { node, report }).unwrap().facts
}

/// Places the only task that waits, and starts it.
fn run(world: &mut World) -> (AttemptId, NodeId) {
    let placed = world.schedule();
    let (attempt, node) = placed[0];
    world.started(attempt);
    (attempt, node)
}

#[test]
fn the_next_attempt_starts_with_what_the_last_one_has_saved_and_older_copies_go() {
    let mut world = World::with_nodes(&[1, 1]);
    let job = world.submit(saving());
    let (first, one) = run(&mut world);
    assert_eq!(world.engine.state().checkpoint(first.task), None);

    saved(&mut world, first, Ok(stored(1)));
    world.end(first, Outcome::Drained);
    world
        .turn(&Input::Drain {
            node: one,
            rest: repower_core::input::Rest::Finishes,
            by: "ada".into(),
            reason: "repair".into(),
        })
        .unwrap();
    let (second, two) = run(&mut world);
    assert_ne!(one, two);
    let kept = Checkpoint { number: 1, stored: stored(1) };
    assert_eq!(world.engine.state().checkpoint(first.task), Some(kept));
    saved(&mut world, second, Ok(stored(2)));

    assert_eq!(world.owed, [Effect::DropCheckpoint { node: one, task: first.task }, dropped(1)]);
    world.end(second, exited(7));
    world.owed.clear();
    let (third, _) = run(&mut world);
    world.end(third, exited(0));
    assert_eq!(world.outcome_of(job), Some((JobState::Succeeded, 0)));
    let gone = Effect::DropCheckpoint { node: two, task: first.task };
    assert!(world.owed.contains(&gone) && world.owed.contains(&dropped(2)), "{:?}", world.owed);
}

#[test]
fn a_checkpoint_that_could_not_be_kept_leaves_the_one_before_in_its_place() {
    let mut world = World::with_nodes(&[1]);
    world.submit(saving());
    let (first, _) = run(&mut world);
    saved(&mut world, first, Ok(stored(1)));
    world.end(first, exited(7));
    let (second, _) = run(&mut world);

    let facts = saved(&mut world, second, Err("the disk is full".into()));
    world.end(second, exited(7));

    assert_eq!(facts.len(), 1);
    assert_eq!(world.owed.iter().filter(|effect| **effect == dropped(1)).count(), 0);
    let kept = Some(Checkpoint { number: 1, stored: stored(1) });
    assert_eq!(world.engine.state().checkpoint(first.task), kept);
}

#[test]
fn what_is_told_twice_or_of_an_older_attempt_changes_nothing() {
    let mut world = World::with_nodes(&[1]);
    world.submit(saving());
    let (first, node) = run(&mut world);

    let once = saved(&mut world, first, Ok(stored(1))).len();
    let twice = saved(&mut world, first, Ok(stored(1))).len();
    world.end(first, exited(7));
    run(&mut world);
    let report = Report::Saved { rank: first.rank(0), kept: Ok(stored(9)) };
    let late = world.turn(&Input::Report { node, report }).unwrap().facts.len();

    assert_eq!((once, twice, late), (1, 0, 0));
}

#[test]
fn a_lost_node_leaves_what_was_kept_last() {
    let mut world = World::with_nodes(&[1, 1]);
    world.submit(saving());
    let (first, _) = run(&mut world);
    saved(&mut world, first, Ok(stored(1)));
    world.end(first, Outcome::Preempted);
    let (second, node) = run(&mut world);

    world.turn(&Input::Silent { node, reason: "silent".into() }).unwrap();

    let kept = Some(Checkpoint { number: 1, stored: stored(1) });
    assert_eq!(world.engine.state().checkpoint(second.task), kept);
    assert_eq!(world.schedule().len(), 1, "it goes on elsewhere");
}

#[test]
fn checkpoints_go_when_their_tasks_never_start_again() {
    let mut world = World::with_nodes(&[2]);
    let job = world.submit(JobSpec { checkpoint: true, retries: saving().retries, ..array(2) });
    for (attempt, _) in world.schedule() {
        world.started(attempt);
        let byte = u8::try_from(attempt.task.index).unwrap() + 1;
        saved(&mut world, attempt, Ok(stored(byte)));
        world.end(attempt, Outcome::Preempted);
    }
    world.owed.clear();

    let (tasks, by, reason) = (None, "ada".to_owned(), String::new());
    world.turn(&Input::Cancel { job, tasks, by, role: Role::Submitter, reason }).unwrap();

    for byte in [1, 2] {
        assert_eq!(world.owed.iter().filter(|effect| **effect == dropped(byte)).count(), 1);
    }
}

#[test]
fn a_node_that_comes_back_hears_what_it_need_not_keep() {
    let mut world = World::with_nodes(&[1]);
    world.submit(saving());
    let (first, node) = run(&mut world);
    let stray = TaskId { job: JobId(77), index: 0 };
    let capacity = Resources { ..cpus(1) };

    let hello = Input::Hello {
        node,
        instance: Instance([1; 16]),
        inventory: Box::new(Inventory { capacity, ..Inventory::default() }),
        held: vec![first.rank(0)],
        saved: vec![first.task, stray],
    };
    let effects = world.turn(&hello).unwrap().effects;

    assert_eq!(effects, [Effect::DropCheckpoint { node, task: stray }]);
}

#[test]
fn replay_gives_the_same_checkpoints() {
    let mut world = World::with_nodes(&[1]);
    let job = world.submit(saving());
    let (first, _) = run(&mut world);
    saved(&mut world, first, Ok(stored(1)));
    world.end(first, exited(7));

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    let task = attempt(job, 0, 1).task;
    assert!(replayed.state().checkpoint(task).is_some());
    assert_eq!(replayed.state().checkpoint(task), world.engine.state().checkpoint(task));
}

#[test]
fn a_gang_is_refused_what_its_ranks_would_save_apart() {
    let mut world = World::with_nodes(&[2]);
    let gang = Some(Gang { nodes: 1, ranks_per_node: 2, layout: Layout::Pack });

    let refusal = world.try_submit(JobSpec { gang, ..saving() }).unwrap_err();

    assert!(refusal.to_string().contains("checkpoints"), "{refusal}");
}

#[test]
fn outputs_that_are_told_twice_are_written_down_once() {
    let mut world = World::with_nodes(&[1]);
    world.submit(JobSpec { outputs: vec!["out".into()], ..job() });
    let (first, node) = run(&mut world);
    let (artefacts, missing) = (Vec::new(), vec!["out".into()]);
    let kept = OutputsKept { rank: first.rank(0), artefacts, missing };
    let report = Input::Report { node, report: Report::Kept(Box::new(kept)) };

    let once = world.turn(&report).unwrap().facts.len();
    let again = world.turn(&report).unwrap().facts.len();

    assert_eq!((once, again), (1, 0));
}
