//! What random worlds have found: one rule each, as small as it gets.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::fact::Fact;
use repower_core::input::Input;
use repower_core::plan;
use repower_model::{JobSpec, JobState, NodeId, Outcome, Retries, Role, Timestamp};
use world::{World, array, attempt, cpus, exited, job};

#[test]
fn a_task_that_the_only_node_could_not_start_is_tried_there_again() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(JobSpec { retries: Retries { user: 1, system: 0 }, ..job() });
    let cannot = || Outcome::NotStarted { detail: "no such file".into() };

    let (first, _) = world.schedule()[0];
    world.end(first, cannot());
    let at_once = world.schedule();
    let why = plan::why(world.engine.state(), id, None, world.now).expect("it waits").reason;
    world.now = world.engine.next_wake(world.now).expect("it goes on by itself");
    let (second, _) = world.schedule()[0];
    world.end(second, cannot());

    assert_eq!(at_once, [], "it would fail as fast as it is tried");
    assert_eq!((why.code(), world.now), ("time.retry-after", Timestamp::from_millis(1_001_000)));
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

#[test]
fn a_node_that_gives_back_what_it_was_not_asked_for_rests_before_it_gets_more() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(array(2));

    for (attempt, _) in world.schedule() {
        world.end(attempt, Outcome::Recalled);
    }
    let at_once = world.schedule();
    let wake = world.engine.next_wake(world.now);
    world.wait(1_000);
    let later: Vec<_> = world.schedule().iter().map(|(attempt, _)| *attempt).collect();

    assert_eq!(at_once, []);
    assert_eq!(wake, Some(world.now));
    assert_eq!(later, [attempt(id, 0, 2), attempt(id, 1, 2)]);
}

#[test]
fn a_node_that_was_asked_for_a_task_does_not_rest_when_it_gives_it_back() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(array(3));
    let (first, node) = world.schedule()[0];
    world.end_on(node, first, exited(0), 1_000);
    world.schedule();
    world.wait(200);
    world.join("n2", 1);
    let recalled = world.turn(&Input::Schedule).unwrap().facts;
    let back = recalled.iter().find_map(|fact| match fact {
        Fact::AttemptStopping { attempt, .. } => Some(*attempt),
        _ => None,
    });

    world.end_on(node, back.unwrap(), Outcome::Recalled, 0);

    let state = world.engine.state();
    assert!(state.nodes[&node].takes_work(), "job {id} goes on");
}

#[test]
fn what_failed_on_a_black_hole_is_not_given_back_once_the_job_is_cancelled() {
    let mut world = World::with_nodes(&[1, 4]);
    let id = world.submit(array(40));
    let hole = NodeId(1);
    let mut slow = Vec::new();
    for _ in 0..8 {
        for (attempt, node) in world.schedule() {
            if node == hole {
                world.end_on(hole, attempt, exited(1), 2_000);
            } else {
                slow.push(attempt);
            }
        }
    }

    let cancel = Input::Cancel {
        job: id,
        tasks: None,
        by: "ada".into(),
        role: Role::Submitter,
        reason: "enough".into(),
    };
    world.turn(&cancel).unwrap();
    for attempt in slow {
        world.end(attempt, exited(0));
    }

    assert_eq!(world.schedule(), []);
    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 1)));
}

#[test]
fn a_task_is_not_taken_back_for_a_free_node_that_it_keeps_away_from() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = world.submit(array(3));
    let (one, other) = (NodeId(1), NodeId(2));
    let placed = world.schedule();
    let cannot = Outcome::NotStarted { detail: "no such file".into() };

    // Tasks 0 and 2 cannot be started on node 1; task 1 shows that they are short.
    world.end_on(one, placed[0].0, cannot.clone(), 0);
    world.end_on(other, placed[1].0, exited(0), 1_000);
    let next = world.schedule();
    for (attempt, node) in &next {
        if *node == one {
            world.end_on(one, *attempt, cannot.clone(), 0);
        }
    }
    let waits = world.schedule();
    world.wait(200);
    let recalled = world.turn(&Input::Schedule).unwrap().facts;

    assert_eq!(waits, [(attempt(id, 2, 2), other)]);
    assert_eq!(recalled, []);
}

#[test]
fn the_only_node_that_could_hold_the_tasks_of_a_job_is_not_held_back_for_it() {
    let mut world = World::with_nodes(&[3, 3]);
    let id = world.submit(JobSpec { resources: cpus(3), ..array(20) });
    let (one, other) = (NodeId(1), NodeId(2));
    world.schedule();
    for _ in 0..6 {
        let task = *world.engine.state().nodes[&other].holding.first().unwrap();
        world.end_on(other, attempt(id, task.index, 1), exited(0), 60_000_000);
        world.schedule();
    }

    // The other one comes back, and is too small now.
    world.hello(other, 2, 1, &[]);
    while world.outcome_of(id).is_none() {
        let task = *world.engine.state().nodes[&one].holding.first().unwrap();
        let number = world.engine.state().attempts[&task].number;
        let facts = world.end_on(one, attempt(id, task.index, number), exited(1), 2_000);
        assert!(!facts.iter().any(|fact| matches!(fact, Fact::NodeHeldBack { .. })));
        world.schedule();
    }

    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 1)));
}

#[test]
fn a_wall_clock_that_is_stepped_back_holds_nothing_up() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(job());
    let (first, _) = world.schedule()[0];
    world.end(first, Outcome::Recalled);

    world.now = Timestamp::from_millis(0);
    let at_once = world.schedule();
    let wake = world.engine.next_wake(world.now);
    world.wait(2_000);
    let later = world.schedule();

    assert_eq!(at_once, []);
    assert_eq!(wake, Some(world.now));
    assert_eq!(later, [(attempt(id, 0, 2), NodeId(1))]);
}

#[test]
fn a_task_that_fits_only_where_short_ones_wait_is_told_so() {
    let mut world = World::with_nodes(&[3]);
    let short = world.submit(JobSpec { resources: cpus(2), ..array(4) });
    world.schedule();
    world.end_on(NodeId(1), attempt(short, 0, 1), exited(0), 1_000);
    world.schedule();
    assert!(!world.engine.state().nodes[&NodeId(1)].runway.is_empty());

    let small = world.submit(job());
    let placed = world.schedule();
    let why = plan::why(world.engine.state(), small, None, world.now).expect("it waits");

    assert_eq!(placed, []);
    assert_eq!(why.reason.code(), "nodes.runway", "the next pass does not place it either");
    let last = why.funnel.last().expect("it has steps");
    assert_eq!((last.code, last.nodes_left), ("nodes.no-runway", 0));
}
