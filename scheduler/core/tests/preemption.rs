//! Stopping what is less urgent.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::fact::Fact;
use repower_core::input::{Input, Report, Rest};
use repower_core::plan::why;
use repower_core::policy::DEFAULT;
use repower_model::{
    Array, AttemptId, Constraints, Gang, IndexRange, JobId, JobSpec, Layout, NodeId, Outcome, Role,
    Span, StopReason, TaskId, Usage,
};
use world::{World, array, attempt, cpus, exited, job};

/// Jobs of priority 100 and more may stop tasks of jobs below 0.
fn world(sizes: &[u64]) -> World {
    let mut world = World::with_nodes(sizes);
    let text = format!("{DEFAULT}\n[scheduling]\npreempt-from = 100\npreempt-below = 0\n");
    world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
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
    world.submit(JobSpec { grace: Span::from_secs(100), ..of(-5, 3) });
    world.schedule();
    world.submit(of(100, 4));
    assert_eq!(stopped(&mut world).len(), 1);

    let small = world.submit(JobSpec { time_limit: Some(Span::from_secs(5)), ..of(0, 1) });
    world.schedule();

    assert!(world.engine.state().attempts.keys().all(|task| task.job != small));
    let reason = why(world.engine.state(), small, None, world.now).expect("it waits").reason;
    assert_eq!(reason.code(), "preemption.making-room");
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
    world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
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
        world
            .turn(&Input::Cancel {
                job: three,
                tasks: None,
                by,
                role: Role::Submitter,
                reason: String::new(),
            })
            .unwrap();
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

#[test]
fn what_is_less_urgent_does_not_start_only_to_be_stopped() {
    let mut world = world(&[4]);
    let old = world.submit(of(-5, 2));
    world.schedule();
    world.submit(of(100, 4));
    let young = world.submit(of(-5, 2));

    let stops = stopped(&mut world);

    assert_eq!(stops, [TaskId { job: old, index: 0 }]);
    let state = world.engine.state();
    assert!(!state.attempts.keys().any(|task| task.job == young), "its room is being made");
}

#[test]
fn nothing_goes_around_a_gang_to_nodes_that_it_needs_once_others_have_stopped() {
    let mut world = world(&[2, 2]);
    let limit = |secs| Some(Span::from_secs(secs));
    world.submit(JobSpec { time_limit: limit(1000), ..of(-5, 2) });
    world.schedule();
    let gang = Some(Gang { nodes: 2, ranks_per_node: 2, layout: Layout::Spread });
    let urgent = world.submit(JobSpec { gang, time_limit: limit(1000), ..of(100, 1) });
    world.submit(JobSpec { time_limit: limit(500), ..of(-5, 2) });

    let first = stopped(&mut world);
    let around = world.engine.state().attempts.len() - first.len();
    ends(&mut world, first[0]);
    world.schedule();

    assert_eq!((first.len(), around), (1, 0), "500 s end before 1000 s, but not before the grace");
    assert!(world.engine.state().attempts.keys().all(|task| task.job == urgent));
}

#[test]
fn nothing_stops_for_a_gang_that_would_have_to_lie_on_nodes_too_small_for_its_share() {
    let mut world = world(&[4, 4, 2]);
    let limit = Some(Span::from_secs(1000));
    let kept = world.submit(JobSpec { time_limit: limit, ..of(0, 4) });
    world.schedule();
    world.submit(JobSpec { time_limit: limit, ..of(-5, 4) });
    assert_eq!(world.schedule().len(), 1);
    let gang = Some(Gang { nodes: 2, ranks_per_node: 2, layout: Layout::Spread });
    let constraints = Constraints { exclusive: true, ..Constraints::default() };

    world.submit(JobSpec { gang, constraints, ..of(100, 2) });
    let stops = stopped(&mut world);

    assert_eq!(stops, [], "it waits for {kept}");
}

#[test]
fn nothing_stops_whose_quota_would_go_to_a_job_that_goes_first() {
    let mut world = World::with_nodes(&[2]);
    let text = format!(
        "{DEFAULT}\n[scheduling]\npreempt-from = 100\npreempt-below = 0\n[project.c]\nquota-cpus = 2\n"
    );
    world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
    let limit = Some(Span::from_secs(1000));
    let of_c = |priority| JobSpec { project: "c".into(), time_limit: limit, ..of(priority, 2) };
    let low = world.submit(of_c(-5));
    world.schedule();
    let deadline = Some(world.now + Span::from_secs(1));
    let guarded = world.submit(JobSpec { deadline, ..of_c(0) });
    world.submit(of(100, 2));

    let in_vain = stopped(&mut world);
    let (by, reason) = ("ada".to_owned(), String::new());
    world
        .turn(&Input::Cancel { job: guarded, tasks: None, by, role: Role::Submitter, reason })
        .unwrap();
    let for_it = stopped(&mut world);

    assert_eq!(in_vain, [], "{guarded} would have the quota and the place");
    assert_eq!(for_it, [TaskId { job: low, index: 0 }]);
}

/// One cpu of two is held for good, and a task of priority -5 is in its second attempt on the other,
/// placed while an urgent job waited for both. Returns the low and the urgent job.
fn stopped_once(world: &mut World) -> (TaskId, JobId) {
    let firm = world.submit(of(0, 1));
    world.schedule();
    let low = world.submit(of(-5, 1));
    world.schedule();
    let small = world.submit(of(100, 1));
    let low = TaskId { job: low, index: 0 };
    assert_eq!(stopped(world), [low]);
    ends(world, low);
    world.schedule();
    let urgent = world.submit(of(100, 2));
    world.end(attempt(small, 0, 1), exited(0));
    assert_eq!(world.schedule(), [(AttemptId { task: low, number: 2 }, NodeId(1))]);
    world.end(attempt(firm, 0, 1), exited(0));
    (low, urgent)
}

#[test]
fn what_was_stopped_and_starts_again_has_a_respite_from_jobs_that_waited_meanwhile() {
    let mut world = world(&[2]);
    let (low, urgent) = stopped_once(&mut world);
    let placed = world.engine.state().attempts[&low].placed;

    let at_once = stopped(&mut world);
    let wake = world.engine.next_wake(world.now);
    world.now = placed + Span::from_secs(600);
    let then = stopped(&mut world);
    ends(&mut world, low);
    world.schedule();

    assert_eq!((at_once, wake), (Vec::new(), Some(placed + Span::from_secs(600))));
    assert_eq!(then, [low]);
    assert!(world.engine.state().attempts.keys().all(|task| task.job == urgent));
}

#[test]
fn a_job_that_comes_after_its_start_may_stop_it_at_once() {
    let mut world = world(&[2]);
    let (low, waited) = stopped_once(&mut world);

    world.wait(1);
    let first = world.submit(of(101, 2));
    let stops = stopped(&mut world);
    ends(&mut world, low);
    world.schedule();

    assert_eq!(stops, [low]);
    let mut on_nodes = world.engine.state().attempts.keys();
    assert!(on_nodes.all(|task| task.job == first), "it goes before {waited}");
}

#[test]
fn a_task_is_not_stopped_for_ever_because_its_project_goes_first_without_it() {
    let mut world = world(&[4, 2]);
    let limited = |project: &str, secs, spec| JobSpec {
        project: project.into(),
        time_limit: Some(Span::from_secs(secs)),
        ..spec
    };
    world.submit(JobSpec { project: "a".into(), ..of(0, 2) });
    world.schedule();
    world.submit(limited("x", 1000, of(0, 1)));
    world.schedule();
    let low = world.submit(limited("b", 500, of(-5, 3)));
    world.schedule();
    // Without what it holds, project b goes before a: its job has all of node 1 kept, from 1000 s on.
    world.submit(limited("b", 1000, of(100, 4)));
    let other = world.submit(limited("a", 3000, of(100, 1)));

    let mut stops = 0;
    for _ in 0..12 {
        for task in stopped(&mut world) {
            assert_eq!(task.job, low);
            ends(&mut world, task);
            stops += 1;
        }
    }

    assert_eq!(stops, 1, "for {other}");
    assert!(world.engine.state().attempts.keys().any(|task| task.job == other));
}

#[test]
fn nothing_behind_takes_the_quota_of_what_others_stop_for() {
    let mut world = World::with_nodes(&[4, 2]);
    let text = format!(
        "{DEFAULT}\n[scheduling]\npolicy = \"easy\"\npreempt-from = 100\npreempt-below = 0\n[project.c]\nquota-cpus = 4\n"
    );
    world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap();
    let of_c = |priority, size| JobSpec { project: "c".into(), ..of(priority, size) };
    let low = world.submit(of(-5, 4));
    world.schedule();

    let urgent = world.submit(of_c(100, 4));
    let stops = stopped(&mut world);
    let other = world.submit(of_c(100, 1));
    assert_eq!(world.schedule(), []);
    let reason = why(world.engine.state(), other, None, world.now).expect("it waits").reason;
    ends(&mut world, stops[0]);
    let placed = world.schedule();

    assert_eq!(stops, [TaskId { job: low, index: 0 }]);
    assert_eq!(reason.code(), "preemption.making-room", "and not on the other node either");
    assert_eq!(placed, [(attempt(urgent, 0, 1), NodeId(1))]);
}

/// The only node of a world is full of a task that stops for an urgent one.
fn promised() -> (World, TaskId, JobId) {
    let mut world = world(&[2]);
    world.submit(of(-5, 2));
    world.schedule();
    let urgent = world.submit(of(100, 2));
    let stops = stopped(&mut world);
    (world, stops[0], urgent)
}

#[test]
fn what_stops_leaves_its_place_to_that_for_which_it_stops_whatever_comes_free_elsewhere() {
    let mut world = world(&[8, 8]);
    let limited = |secs, spec| JobSpec { time_limit: Some(Span::from_secs(secs)), ..spec };
    world.submit(limited(1000, of(0, 3)));
    world.schedule();
    let low = world.submit(limited(5000, of(-5, 8)));
    world.schedule();
    let deadline = Some(world.now + Span::from_secs(101));
    let first = world.submit(JobSpec { deadline, ..limited(100, of(0, 8)) });
    world.wait(2000);
    let urgent = world.submit(limited(2000, of(100, 4)));

    let stops = stopped(&mut world);
    let meanwhile = world.schedule();
    ends(&mut world, stops[0]);
    let then = world.schedule();

    assert_eq!(stops, [TaskId { job: low, index: 0 }], "on node 1 it would delay {first}");
    assert_eq!(meanwhile, [], "{first} cannot have node 2 sooner and leave node 1 to {urgent}");
    assert_eq!(then, [(attempt(urgent, 0, 1), NodeId(2))]);
}

#[test]
fn a_promise_is_told_to_those_who_ask() {
    let (world, low, urgent) = promised();

    let why = why(world.engine.state(), urgent, None, world.now).expect("it waits");

    assert_eq!(why.reason.code(), "preemption.promised");
    let text =
        format!("a place on n1 is promised to it, and it goes when task {low} has stopped there");
    assert_eq!(why.reason.to_string(), text);
    assert_eq!(why.forecast.and_then(|forecast| forecast.at), Some(world.now + JobSpec::GRACE));
}

#[test]
fn a_promise_ends_when_what_stops_is_a_minute_late_or_the_node_takes_no_work() {
    let (mut late, _, urgent) = promised();
    late.join("n2", 2);
    assert_eq!(late.schedule(), [], "its place is on node 1");
    let until = late.now + JobSpec::GRACE + Span::from_secs(60);
    assert_eq!(late.engine.next_wake(late.now), Some(until));
    late.now = until;

    assert_eq!(late.schedule(), [(attempt(urgent, 0, 1), NodeId(2))]);

    let (mut drained, _, urgent) = promised();
    drained.join("n2", 2);
    let (by, reason) = ("op".to_owned(), "a fan".to_owned());
    drained.turn(&Input::Drain { node: NodeId(1), rest: Rest::Finishes, by, reason }).unwrap();

    assert_eq!(drained.schedule(), [(attempt(urgent, 0, 1), NodeId(2))]);
}

#[test]
fn a_promise_counts_for_limits_and_ends_with_its_job() {
    let mut world = world(&[2, 2]);
    let range = IndexRange { first: 0, last: 3, step: 1 };
    world.submit(JobSpec { resources: cpus(2), priority: -5, ..array(2) });
    world.schedule();
    let array = Array::new(vec![range], Some(1)).unwrap();
    let urgent = world.submit(JobSpec { array, ..of(100, 2) });

    let stops = stopped(&mut world);
    let promises = world.engine.state().promises.len();
    let (by, reason) = ("ada".to_owned(), String::new());
    world
        .turn(&Input::Cancel { job: urgent, tasks: None, by, role: Role::Submitter, reason })
        .unwrap();

    assert_eq!((stops.len(), promises), (1, 1), "one at a time");
    assert!(world.engine.state().promises.is_empty());
}
