//! How long an attempt will take, as far as anybody can tell.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::engine::Engine;
use repower_core::state::{Estimate, Source, State};
use repower_model::{JobId, JobSpec, Span};
use world::{World, array, exited, job};

fn estimate(world: &World, job: JobId) -> Option<Estimate> {
    world.engine.state().estimate(&world.engine.state().jobs[&job])
}

/// Runs what can start now, each for so many milliseconds.
fn run(world: &mut World, ms: u64, code: i32) {
    for (attempt, node) in world.schedule() {
        world.end_on(node, attempt, exited(code), ms * 1000);
    }
}

fn known(span_ms: u64, source: Source, error_percent: Option<u32>) -> Estimate {
    Estimate { span: Span::from_millis(span_ms), source, error_percent }
}

#[test]
fn what_is_trusted_most_is_told() {
    let mut world = World::with_nodes(&[1]);
    let (limit, expected) = (Some(Span::from_secs(60)), Some(Span::from_secs(30)));
    let first = world.submit(array(1));
    assert_eq!(estimate(&world, first), None);
    run(&mut world, 4_000, 0);

    let history = world.submit(JobSpec { time_limit: limit, priority: 1, ..array(3) });
    let said = world.submit(JobSpec { time_limit: limit, expected, ..array(3) });
    let other = world.submit(JobSpec { time_limit: limit, name: "other".into(), ..job() });

    assert_eq!(estimate(&world, history), Some(known(4_000, Source::History, None)));
    assert_eq!(estimate(&world, said), Some(known(30_000, Source::Said, None)));
    assert_eq!(estimate(&world, other), Some(known(60_000, Source::Limit, None)));
    run(&mut world, 8_000, 0);
    assert_eq!(estimate(&world, history), Some(known(8_000, Source::OwnTasks, None)));
    assert_eq!(estimate(&world, said), Some(known(30_000, Source::Said, None)));
    run(&mut world, 4_000, 0);
    assert_eq!(estimate(&world, history), Some(known(6_000, Source::OwnTasks, Some(50))));
}

#[test]
fn an_estimate_is_never_longer_than_the_limit() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    run(&mut world, 90_000, 0);

    let id = world.submit(JobSpec { time_limit: Some(Span::from_secs(60)), ..job() });

    assert_eq!(estimate(&world, id), Some(known(60_000, Source::History, None)));
    assert_eq!(State::bound(&world.engine.state().jobs[&id]), Some(Span::from_secs(60)));
}

#[test]
fn what_failed_says_nothing_of_how_long_it_takes() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    run(&mut world, 10, 1);

    let id = world.submit(job());

    assert_eq!(estimate(&world, id), None);
    assert!(world.engine.state().history.is_empty());
}

#[test]
fn what_is_known_comes_from_the_facts() {
    let mut world = World::with_nodes(&[2]);
    world.submit(array(5));
    for ms in [100, 250, 700] {
        run(&mut world, ms, 0);
    }

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    assert_eq!(replayed.state().history, world.engine.state().history);
    assert_eq!(replayed.state().history.len(), 1);
}
