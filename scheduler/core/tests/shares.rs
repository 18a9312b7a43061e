//! Projects take turns by what they hold and have held.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use std::collections::BTreeMap;

use repower_core::input::Input;
use repower_core::policy::DEFAULT;
use repower_model::{JobSpec, NodeId};
use world::{World, array, job};

fn world(sizes: &[u64], more: &str) -> World {
    let mut world = World::with_nodes(sizes);
    world
        .turn(&Input::Adopt { text: format!("{DEFAULT}\n{more}"), by: "op".into(), replaces: None })
        .unwrap();
    world
}

fn of(project: &str, tasks: u32) -> JobSpec {
    JobSpec { project: project.into(), ..array(tasks) }
}

/// How many tasks of each project are on nodes.
fn running(world: &World) -> BTreeMap<&str, usize> {
    let state = world.engine.state();
    let mut counts = BTreeMap::new();
    for task in state.attempts.keys() {
        *counts.entry(state.job(task.job).unwrap().spec.project.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn projects_with_equal_shares_get_equal_parts_of_an_empty_cell_in_one_pass() {
    let mut world = world(&[6, 6], "");
    for project in ["a", "b", "c"] {
        world.submit(of(project, 100));
    }

    world.schedule();

    assert_eq!(running(&world), BTreeMap::from([("a", 4), ("b", 4), ("c", 4)]));
}

#[test]
fn a_project_with_twice_the_share_gets_twice_the_part() {
    let mut world = world(&[12], "[project.b]\nshare = 2\n");
    world.submit(of("a", 100));
    world.submit(of("b", 100));

    world.schedule();

    assert_eq!(running(&world), BTreeMap::from([("a", 4), ("b", 8)]));
}

#[test]
fn who_has_held_the_cell_for_long_lets_others_go_first() {
    let mut world = world(&[4], "[scheduling]\nhalf-life-hours = 1\n");
    let first = world.submit(of("a", 4));
    world.schedule();
    world.wait(3_600_000);
    for index in 0..4 {
        world.end(world::attempt(first, index, 1), world::exited(0));
    }

    world.submit(of("a", 100));
    world.submit(of("b", 100));
    world.schedule();

    let after = running(&world);
    assert!(after["b"] > after["a"], "{after:?}");
}

#[test]
fn a_quota_holds_and_does_not_hold_up_others() {
    let mut world = world(&[8], "[project.a]\nquota-cpus = 3\n");
    world.submit(of("a", 100));
    world.submit(JobSpec { project: "b".into(), ..job() });

    world.schedule();

    assert_eq!(running(&world), BTreeMap::from([("a", 3), ("b", 1)]));
}

#[test]
fn short_tasks_of_a_project_with_a_quota_do_not_wait_on_nodes_where_no_quota_sees_them() {
    let mut world = world(&[8], "[project.a]\nquota-cpus = 3\n");
    world.submit(JobSpec { project: "b".into(), ..array(7) });
    world.schedule();
    let short = world.submit(of("a", 100));
    world.schedule();
    world.end_on(NodeId(1), world::attempt(short, 0, 1), world::exited(0), 1_000);

    let placed = world.schedule();

    assert_eq!(placed.len(), 1, "it is known to be short now, but one after another may start");
    assert_eq!(running(&world), BTreeMap::from([("a", 1), ("b", 7)]));
}
