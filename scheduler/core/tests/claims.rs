//! What comes of what tasks claim: an estimate for people, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use std::collections::BTreeMap;

use repower_core::plan::{self, Basis, Forecast};
use repower_model::{JobId, JobSpec, Span, TaskId, Timestamp};
use world::{World, cpus, job};

const HOUR: Span = Span::from_secs(3600);

/// A world in which one job of `limit` runs, and the next one waits for it.
fn waiting(limit: Option<Span>) -> (World, TaskId, JobId) {
    let mut world = World::with_nodes(&[2]);
    let two = JobSpec { resources: cpus(2), time_limit: limit, ..job() };
    world.submit(two.clone());
    let (attempt, _) = world.schedule()[0];
    world.started(attempt);
    let next = world.submit(two);
    (world, attempt.task, next)
}

fn claimed(world: &World, job: JobId, ends: &[(TaskId, Timestamp)]) -> Option<Forecast> {
    let state = world.engine.state();
    let explained = plan::why(state, job, None, world.now).unwrap();
    let ends: BTreeMap<TaskId, Timestamp> = ends.iter().copied().collect();
    plan::by_claims(state, &explained, None, world.now, &ends)
}

#[test]
fn a_task_that_claims_to_end_sooner_lets_who_waits_hope_and_changes_no_estimate() {
    let (world, running, next) = waiting(Some(HOUR));
    let soon = world.now + Span::from_secs(60);

    let found = claimed(&world, next, &[(running, soon)]).unwrap();

    assert_eq!(found, Forecast { at: Some(soon), basis: Basis::Claimed { tasks: 1 } });
    let plain = plan::why(world.engine.state(), next, None, world.now).unwrap().forecast.unwrap();
    assert_eq!(plain.at, Some(world.now + HOUR));
}

#[test]
fn the_limit_stays_the_bound_and_what_should_have_ended_already_is_no_claim() {
    let (world, running, next) = waiting(Some(HOUR));
    let later = world.now + Span::from_secs(7200);

    assert_eq!(claimed(&world, next, &[(running, later)]), None);
    assert_eq!(claimed(&world, next, &[(running, world.now)]), None);
    assert_eq!(claimed(&world, next, &[]), None);
}

#[test]
fn where_nobody_knows_an_end_a_claim_is_better_than_nothing() {
    let (mut world, running, next) = waiting(None);
    let soon = world.now + Span::from_secs(60);

    assert_eq!(claimed(&world, next, &[(running, soon)]).unwrap().at, Some(soon));
    // What does not wait for them has nothing to hope for.
    let held = world.submit(JobSpec { start_after: Some(soon), ..job() });
    assert_eq!(claimed(&world, held, &[(running, soon)]), None);
    assert_eq!(claimed(&world, running.job, &[(running, soon)]), None);
}
