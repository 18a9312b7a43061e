//! What random worlds have found: one rule each, as small as it gets.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_model::{JobSpec, JobState, NodeId, Outcome, Retries};
use world::{World, array, attempt, exited, job};

#[test]
fn a_task_that_the_only_node_could_not_start_is_tried_there_again() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(JobSpec { retries: Retries { user: 1, system: 0 }, ..job() });
    let cannot = || Outcome::NotStarted { detail: "no such file".into() };

    let (first, _) = world.schedule()[0];
    world.end(first, cannot());
    let (second, _) = world.schedule()[0];
    world.end(second, cannot());

    assert_eq!(second, attempt(id, 0, 2));
    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 126)));
}

#[test]
fn a_job_exits_with_the_code_of_a_task_that_failed_and_was_not_given_back() {
    let mut world = World::with_nodes(&[1, 4]);
    let id = world.submit(array(40));
    let (hole, good) = (NodeId(1), NodeId(2));

    // Node 1 fails eight tasks with code 7; node 2 fails one slowly with code 3 and passes the rest.
    let mut slow = Vec::new();
    for _ in 0..8 {
        for (attempt, node) in world.schedule() {
            if node == hole {
                world.end_on(hole, attempt, exited(7), 2_000);
            } else {
                slow.push(attempt);
            }
        }
    }
    world.end(slow[0], exited(3));
    for attempt in &slow[1..] {
        world.end(*attempt, exited(0));
    }
    while world.outcome_of(id).is_none() {
        for (attempt, node) in world.schedule() {
            assert_eq!(node, good, "the other one is held back");
            world.end(attempt, exited(0));
        }
    }

    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 3)));
}
