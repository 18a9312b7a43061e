//! Nodes that are kept for a time, for maintenance or for a project.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::{Input, Reserve};
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{JobId, JobSpec, NodeId, ReservationId, Span, Timestamp};
use world::{World, exited, job};

const HOUR: Span = Span::from_secs(3600);

/// Keeps nodes, from and until so many hours from now.
fn asked(world: &World, nodes: &[u32], hours: (u64, u64), project: Option<&str>) -> Reserve {
    let at = |hours: u64| world.now + Span::from_secs(hours * 3600);
    Reserve {
        nodes: nodes.iter().copied().map(NodeId).collect(),
        from: Some(at(hours.0)),
        until: at(hours.1),
        project: project.map(str::to_owned),
        by: "op".into(),
        reason: "new fans".into(),
    }
}

fn reserve(
    world: &mut World,
    nodes: &[u32],
    hours: (u64, u64),
    project: Option<&str>,
) -> Result<ReservationId, Refusal> {
    let asked = asked(world, nodes, hours, project);
    match world.turn(&Input::Reserve(Box::new(asked)))?.answer {
        Answer::Reservation(id) => Ok(id),
        other => panic!("not a reservation: {other:?}"),
    }
}

fn lasting(limit: Option<Span>, project: &str) -> JobSpec {
    JobSpec { time_limit: limit, project: project.into(), ..job() }
}

/// Which jobs start now, and where.
fn starts(world: &mut World) -> Vec<(JobId, NodeId)> {
    let placed = world.schedule().into_iter();
    placed.map(|(attempt, node)| (attempt.task.job, node)).collect()
}

fn reason(world: &World, job: JobId) -> (&'static str, String) {
    let reason = why(world.engine.state(), job, None, world.now).unwrap().reason;
    (reason.code(), reason.to_string())
}

#[test]
fn what_may_reach_into_a_reservation_does_not_start_before_it() {
    let mut world = World::with_nodes(&[8]);
    reserve(&mut world, &[1], (2, 4), None).unwrap();
    let short = world.submit(lasting(Some(HOUR), "default"));
    let long = world.submit(lasting(Some(Span::from_secs(3 * 3600)), "default"));
    let said = world.submit(JobSpec { expected: Some(HOUR), ..lasting(None, "default") });
    let unknown = world.submit(lasting(None, "default"));

    assert_eq!(starts(&mut world), [(short, NodeId(1)), (said, NodeId(1))]);

    let text = "1 node could hold a task, but is kept for others: reservation 1 begins in";
    let ahead = format!("{text} 2h 0m, and it may take 3h 0m");
    assert_eq!(reason(&world, long), ("nodes.reserved", ahead));
    let nobody = format!("{text} 2h 0m, and nobody knows how long it takes");
    assert_eq!(reason(&world, unknown), ("nodes.reserved", nobody));
}

#[test]
fn a_task_goes_around_a_node_that_is_kept() {
    let mut world = World::with_nodes(&[8, 16]);
    reserve(&mut world, &[1], (0, 4), None).unwrap();
    let id = world.submit(job());

    assert_eq!(starts(&mut world), [(id, NodeId(2))]);
}

#[test]
fn only_the_projects_tasks_run_on_its_nodes_meanwhile() {
    let mut world = World::with_nodes(&[8]);
    reserve(&mut world, &[1], (0, 4), Some("vision")).unwrap();
    let others = world.submit(lasting(Some(HOUR), "default"));
    let own = world.submit(lasting(None, "vision"));

    assert_eq!(starts(&mut world), [(own, NodeId(1))]);
    assert_eq!(
        reason(&world, others).1,
        "1 node could hold a task, but is kept for others: reservation 1 ends in 4h 0m"
    );
}

#[test]
fn a_reservation_ends_by_itself_and_wakes_the_scheduler_for_it() {
    let mut world = World::with_nodes(&[8]);
    let id = reserve(&mut world, &[1], (0, 4), None).unwrap();
    let waiting = world.submit(job());
    assert_eq!(starts(&mut world), []);
    assert_eq!(world.engine.next_wake(world.now), Some(world.now + Span::from_secs(4 * 3600)));

    world.wait(4 * 3_600_000);
    let facts = world.turn(&Input::Schedule).unwrap().facts;

    assert!(
        matches!(&facts[0], Fact::ReservationEnded { id: ended, by, .. } if *ended == id && by == "scheduler")
    );
    assert!(
        matches!(&facts[1], Fact::AttemptPlaced { attempt, .. } if attempt.task.job == waiting)
    );
    assert!(world.engine.state().reservations.is_empty());
}

#[test]
fn an_operator_ends_a_reservation_before_its_time() {
    let mut world = World::with_nodes(&[8]);
    let id = reserve(&mut world, &[1], (0, 4), None).unwrap();
    let waiting = world.submit(job());
    assert_eq!(starts(&mut world), []);
    let end = Input::Unreserve { id, by: "op".into(), reason: "done".into() };

    world.turn(&end).unwrap();

    assert_eq!(starts(&mut world), [(waiting, NodeId(1))]);
    assert_eq!(world.turn(&end).unwrap_err(), Refusal::ReservationUnknown { id });
}

#[test]
fn what_runs_into_a_reservation_is_not_stopped() {
    let mut world = World::with_nodes(&[1]);
    let running = world.submit(job());
    let (attempt, _) = world.schedule()[0];

    reserve(&mut world, &[1], (0, 4), None).unwrap();
    world.wait(3_600_000);
    world.turn(&Input::Schedule).unwrap();
    world.end(attempt, exited(0));

    assert_eq!(world.outcome_of(running).map(|(_, code)| code), Some(0));
}

#[test]
fn reservations_that_cannot_be_are_refused_with_the_reason() {
    let mut world = World::with_nodes(&[4, 4]);
    reserve(&mut world, &[1], (2, 4), None).unwrap();
    let mut refused = |nodes: &[u32], hours, project| {
        reserve(&mut world, nodes, hours, project).unwrap_err().to_string()
    };

    assert_eq!(
        refused(&[2, 1], (3, 5), Some("vision")),
        "node n1 is kept by reservation 1 in a part of that time"
    );
    assert_eq!(refused(&[2], (5, 3), None), "the reservation ends 2h 0m before it begins");
    assert_eq!(refused(&[9], (1, 2), None), "there is no node with the id 9");
    assert_eq!(refused(&[], (1, 2), None), "the number of nodes is 0, but must be from 1 to 10000");
    assert!(refused(&[2], (1, 2), Some(" ")).starts_with("the project is empty"));
    assert!(refused(&[2], (1, 1_000_000), None).starts_with("the end of the reservation is"));
    let over = Reserve { until: Timestamp::from_millis(1), ..asked(&world, &[2], (0, 0), None) };
    let over = world.turn(&Input::Reserve(Box::new(over))).unwrap_err();
    assert!(matches!(over, Refusal::ReservationOver { .. }));
    reserve(&mut world, &[1], (4, 5), None).unwrap();
    reserve(&mut world, &[1], (0, 2), None).unwrap();
}

#[test]
fn replaying_the_facts_gives_the_same_reservations() {
    let mut world = World::with_nodes(&[4, 4]);
    let first = reserve(&mut world, &[2, 1, 2], (2, 4), Some("vision")).unwrap();
    reserve(&mut world, &[1], (5, 6), None).unwrap();
    world.turn(&Input::Unreserve { id: first, by: "op".into(), reason: String::new() }).unwrap();

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    assert_eq!(replayed.state().reservations, world.engine.state().reservations);
    assert_eq!(replayed.state().reservations.len(), 1);
}

#[test]
fn a_task_of_which_nobody_knows_when_it_can_start_has_one_node_kept_and_not_two() {
    let mut world = World::with_nodes(&[2, 2]);
    let small = world.submit(world::array(2));
    world.schedule();
    let small_again = world.submit(world::array(2));
    world.schedule();
    let large = world.submit(JobSpec { resources: world::cpus(2), ..job() });
    world.wait(600_001);

    world.schedule();

    let kept = repower_core::plan::keeps(world.engine.state());
    assert_eq!(kept.len(), 1, "{small} and {small_again} have no limit: {kept:?}");
    assert_eq!((kept[0].job, kept[0].at), (large, None));
}
