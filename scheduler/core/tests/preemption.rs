//! Stopping what is less urgent.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::fact::Fact;
use repower_core::input::{Input, Report};
use repower_core::plan::why;
use repower_core::policy::DEFAULT;
use repower_model::{AttemptId, Gang, JobSpec, Layout, Outcome, Span, StopReason, TaskId, Usage};
use world::{World, array, cpus, job};

/// Jobs of priority 100 and more may stop tasks of jobs below 0.
fn world(sizes: &[u64]) -> World {
    let mut world = World::with_nodes(sizes);
    let text = format!("{DEFAULT}\n[scheduling]\npreempt-from = 100\npreempt-below = 0\n");
    world.turn(&Input::Adopt { text }).unwrap();
    world
}

fn of(priority: i32, size: u64) -> JobSpec {
    JobSpec { priority, resources: cpus(size), ..job() }
}

fn stopped(world: &mut World) -> Vec<TaskId> {
    let turn = world.turn(&Input::Schedule).unwrap();
    let stops = turn.facts.iter().filter_map(|fact| match fact {
        Fact::AttemptStopping { attempt, why: StopReason::Preempted, .. } => Some(attempt.task),
        _ => None,
    });
    stops.collect()
}

fn ends(world: &mut World, task: TaskId) {
    let attempt = &world.engine.state().attempts[&task];
    let (node, number) = (attempt.node, attempt.number);
    let report = Report::Ended {
        rank: AttemptId { task, number }.rank(0),
        outcome: Outcome::Preempted,
        usage: Usage::default(),
        started: Some(world.now),
        ended: world.now,
    };
    world.turn(&Input::Report { node, report }).unwrap();
}

#[test]
fn the_least_urgent_and_youngest_stops_and_no_more_than_is_needed() {
    let mut world = world(&[4]);
    let old = world.submit(of(-5, 2));
    world.schedule();
    world.now = world.now + Span::from_secs(1);
    let young = world.submit(JobSpec { priority: -5, ..array(2) });
    world.schedule();

    let urgent = world.submit(of(100, 1));
    let first = stopped(&mut world);
    let again = stopped(&mut world);

    assert_eq!(first.len(), 1, "one of two is enough");
    assert_eq!(first[0].job, young);
    assert_eq!(again, [], "room is being made already");
    ends(&mut world, first[0]);
    world.schedule();
    assert!(world.engine.state().attempts.keys().any(|task| task.job == urgent));
    assert!(world.engine.state().attempts.keys().any(|task| task.job == old));
}

#[test]
fn what_is_stopped_goes_back_to_pending_and_counts_against_nothing() {
    let mut world = world(&[2]);
    let idle = world.submit(of(-1, 2));
    world.schedule();
    let urgent = world.submit(of(200, 2));

    let task = stopped(&mut world)[0];
    ends(&mut world, task);
    world.schedule();

    let state = world.engine.state();
    assert_eq!(task.job, idle);
    assert!(state.attempts.keys().all(|task| task.job == urgent));
    let job = state.job(idle).expect("it has not ended");
    assert!(job.pending.contains(0));
    assert!(job.tries.get(&0).is_none_or(|tries| (tries.user, tries.system) == (0, 0)));
}

#[test]
fn nothing_less_urgent_takes_the_room_that_is_being_made() {
    let mut world = world(&[4]);
    world.submit(of(-5, 3));
    world.schedule();
    world.submit(of(100, 4));
    assert_eq!(stopped(&mut world).len(), 1);

    let small = world.submit(of(0, 1));
    world.schedule();

    assert!(world.engine.state().attempts.keys().all(|task| task.job != small));
    let reason = why(world.engine.state(), small, None, world.now).expect("it waits").reason;
    assert_ne!(reason.code(), "task.on-node");
}

#[test]
fn without_a_rule_and_between_equals_nothing_stops() {
    let mut without = World::with_nodes(&[2]);
    without.submit(of(-5, 2));
    without.schedule();
    without.submit(of(1000, 2));
    assert_eq!(stopped(&mut without), []);

    let mut with = world(&[2]);
    with.submit(of(0, 2));
    with.schedule();
    with.submit(of(1000, 2));
    assert_eq!(stopped(&mut with), [], "0 is not below 0");

    let mut low = world(&[2]);
    low.submit(of(-5, 2));
    low.schedule();
    low.submit(of(99, 2));
    assert_eq!(stopped(&mut low), [], "99 is less than 100");
}

#[test]
fn nothing_stops_for_a_task_that_its_projects_quota_holds() {
    let mut world = World::with_nodes(&[4]);
    let text = format!(
        "{DEFAULT}\n[scheduling]\npreempt-from = 100\npreempt-below = 0\n[project.c]\nquota-cpus = 3\n"
    );
    world.turn(&Input::Adopt { text }).unwrap();
    world.submit(JobSpec { priority: -5, ..array(4) });
    world.schedule();

    world.submit(JobSpec { project: "c".into(), ..of(100, 4) });
    let for_too_much = stopped(&mut world);
    world.submit(JobSpec { project: "c".into(), priority: 100, ..array(4) });
    let for_three = stopped(&mut world);

    assert_eq!(for_too_much, [], "it could not start");
    assert_eq!(for_three.len(), 3, "the fourth could not start");
}

#[test]
fn nothing_stops_for_a_task_that_a_reservation_holds() {
    let mut world = world(&[4]);
    let limit = Some(Span::from_secs(1000));
    world.submit(JobSpec { time_limit: limit, ..of(0, 2) });
    let low = world.submit(JobSpec { time_limit: limit, ..of(-5, 2) });
    world.schedule();
    let deadline = Some(world.now + Span::from_secs(1));
    world.submit(JobSpec { time_limit: limit, deadline, ..of(0, 4) });

    world.submit(of(100, 2));
    let for_ever = stopped(&mut world);
    let short = world.submit(JobSpec { time_limit: Some(Span::from_secs(900)), ..of(100, 2) });
    let again = stopped(&mut world);

    assert_eq!(for_ever, [], "without a limit it would be in the way of the deadline");
    assert_eq!(again, [], "nor for {short} on a node that is kept, though {low} is less urgent");
}

#[test]
fn what_goes_first_by_its_deadline_is_not_stopped_and_hides_nothing_urgent() {
    let mut world = world(&[2, 2]);
    let limit = Some(Span::from_secs(1000));
    let deadline = Some(world.now + Span::from_secs(1));
    let late = JobSpec { time_limit: limit, deadline, ..of(-5, 2) };
    let guarded = world.submit(late.clone());
    let low = world.submit(JobSpec { time_limit: limit, ..of(-4, 2) });
    assert_eq!(world.schedule().len(), 2);
    world.submit(JobSpec { time_limit: limit, ..of(100, 2) });

    let first = stopped(&mut world);

    assert_eq!(first.len(), 1);
    assert_eq!(first[0].job, low, "{guarded} would take the room again");
}

#[test]
fn a_gang_is_stopped_whole_for_one_urgent_task() {
    let mut world = world(&[2, 2]);
    let gang = Some(Gang { nodes: 2, ranks_per_node: 2, layout: Layout::Spread });
    let low = world.submit(JobSpec { gang, ..of(-5, 1) });
    world.schedule();

    world.submit(of(100, 1));
    let first = stopped(&mut world);
    world.submit(of(100, 1));
    let again = stopped(&mut world);

    assert_eq!(first, [TaskId { job: low, index: 0 }]);
    assert_eq!(again, [], "there will be room on all of its nodes");
}

#[test]
fn a_gang_has_room_made_on_all_of_its_nodes_or_on_none() {
    for layout in [Layout::Spread, Layout::Pack] {
        let mut world = world(&[2, 2, 2]);
        let kept = world.submit(of(0, 2));
        world.schedule();
        let low = world.submit(JobSpec { priority: -5, resources: cpus(2), ..array(2) });
        assert_eq!(world.schedule().len(), 2);
        let gang = |nodes| Some(Gang { nodes, ranks_per_node: 2, layout });

        let three = world.submit(JobSpec { gang: gang(3), ..of(100, 1) });
        let for_three = stopped(&mut world);
        let by = "ada".to_owned();
        world.turn(&Input::Cancel { job: three, tasks: None, by, reason: String::new() }).unwrap();
        let two = world.submit(JobSpec { gang: gang(2), ..of(100, 1) });
        let for_two = stopped(&mut world);

        assert_eq!(for_three, [], "{kept} is as urgent as that");
        assert_eq!(for_two.len(), 2);
        assert!(for_two.iter().all(|task| task.job == low));
        ends(&mut world, for_two[0]);
        let half = world.schedule();
        ends(&mut world, for_two[1]);
        world.schedule();
        assert_eq!(half, [], "neither half a gang nor what was stopped takes the first half");
        let attempts = &world.engine.state().attempts;
        assert!(attempts.keys().any(|task| task.job == two), "{layout:?}: {attempts:?}");
    }
}
