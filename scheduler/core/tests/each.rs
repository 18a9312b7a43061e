//! Dependencies task by task: task i of one job waits for task i of another.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::Input;
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{
    Array, AttemptId, Dependency, DependencyKind, IndexRange, JobId, JobSpec, JobState, Key, Role,
};
use world::{World, array, attempt, exited, job};

fn each(kind: DependencyKind, on: JobId, count: u32) -> JobSpec {
    JobSpec { dependencies: vec![Dependency { job: on, kind, per_task: true }], ..array(count) }
}

/// Which tasks start now.
fn starts(world: &mut World) -> Vec<(JobId, u32)> {
    let placed = world.schedule().into_iter();
    placed.map(|(attempt, _)| (attempt.task.job, attempt.task.index)).collect()
}

fn end(world: &mut World, job: JobId, index: u32, code: i32) -> Vec<Fact> {
    let number = world.engine.state().attempts[&attempt(job, index, 1).task].number;
    world.end(AttemptId { number, ..attempt(job, index, 1) }, exited(code))
}

fn cancelled_of(facts: &[Fact], id: JobId) -> Vec<String> {
    let ranges = facts.iter().filter_map(|fact| match fact {
        Fact::TasksCancelled { job, tasks, .. } if *job == id => Some(tasks),
        _ => None,
    });
    ranges.flatten().map(ToString::to_string).collect()
}

#[test]
fn a_task_is_ready_when_its_counterpart_has_succeeded() {
    let mut world = World::with_nodes(&[8]);
    let first = world.submit(array(3));
    let second = world.submit(each(DependencyKind::Ok, first, 3));
    assert_eq!(starts(&mut world), [(first, 0), (first, 1), (first, 2)]);
    assert_eq!(world.engine.state().jobs[&second].state(), JobState::Held);

    end(&mut world, first, 1, 0);

    assert_eq!(starts(&mut world), [(second, 1)]);
    end(&mut world, first, 0, 0);
    end(&mut world, first, 2, 0);
    assert_eq!(world.outcome_of(first), Some((JobState::Succeeded, 0)));
    assert_eq!(starts(&mut world), [(second, 0), (second, 2)]);
}

#[test]
fn a_failure_counts_when_the_other_job_has_ended() {
    let mut world = World::with_nodes(&[8]);
    let first = world.submit(array(2));
    let ok = world.submit(each(DependencyKind::Ok, first, 2));
    let not_ok = world.submit(each(DependencyKind::NotOk, first, 2));
    starts(&mut world);

    let early = end(&mut world, first, 0, 7);
    assert_eq!((starts(&mut world), cancelled_of(&early, ok)), (vec![], vec![]));
    let late = end(&mut world, first, 1, 0);

    assert_eq!(cancelled_of(&late, ok), ["0"]);
    assert_eq!(cancelled_of(&late, not_ok), ["1"], "its counterpart has succeeded");
    assert_eq!(starts(&mut world), [(ok, 1), (not_ok, 0)]);
}

#[test]
fn what_waited_for_the_success_of_a_cancelled_task_is_cancelled_and_so_on() {
    let mut world = World::with_nodes(&[1]);
    let first = world.submit(array(4));
    let second = world.submit(each(DependencyKind::Ok, first, 4));
    let third = world.submit(each(DependencyKind::Ok, second, 4));
    let any = world.submit(each(DependencyKind::Any, second, 4));
    starts(&mut world);

    let range = IndexRange { first: 1, last: 2, step: 1 };
    let cancel = Input::Cancel {
        job: first,
        tasks: Some(vec![range]),
        by: "ada".into(),
        role: Role::Submitter,
        reason: "too many".into(),
    };
    let facts = world.turn(&cancel).unwrap().facts;

    assert_eq!(cancelled_of(&facts, second), ["1-2"]);
    assert_eq!(cancelled_of(&facts, third), ["1-2"]);
    assert_eq!(cancelled_of(&facts, any), Vec::<String>::new());
    assert_eq!(world.engine.state().jobs[&any].free().collect::<Vec<_>>(), [(1, 2)]);
}

#[test]
fn a_job_that_comes_late_waits_only_for_what_has_not_ended() {
    let mut world = World::with_nodes(&[2]);
    let first = world.submit(array(4));
    starts(&mut world);
    end(&mut world, first, 0, 0);
    let cancel = Input::Cancel {
        job: first,
        tasks: Some(vec![IndexRange { first: 3, last: 3, step: 1 }]),
        by: "ada".into(),
        role: Role::Submitter,
        reason: "enough".into(),
    };
    world.turn(&cancel).unwrap();

    let ok = world.submit(each(DependencyKind::Ok, first, 4));

    let job = &world.engine.state().jobs[&ok];
    assert_eq!(job.free().collect::<Vec<_>>(), [(0, 0)]);
    assert_eq!((job.waiting(), job.pending.len(), job.cancelled.len()), (1, 3, 1));
}

#[test]
fn tasks_whose_counterparts_are_all_lost_end_their_job_at_once() {
    let mut world = World::with_nodes(&[1]);
    let first = world.submit(array(2));
    starts(&mut world);
    end(&mut world, first, 0, 0);
    starts(&mut world);

    let turn = world.submit_as(Key([9; 16]), each(DependencyKind::NotOk, first, 2), Vec::new());
    end(&mut world, first, 1, 0);

    let second = JobId(first.0 + 1);
    assert_eq!(cancelled_of(&turn.unwrap().facts, second), ["0"]);
    assert_eq!(world.outcome_of(second), Some((JobState::Cancelled, 130)));
}

#[test]
fn arrays_that_differ_are_refused_with_both() {
    let mut world = World::with_nodes(&[2]);
    let first = world.submit(array(10));
    let split = Array::new(
        vec![IndexRange { first: 0, last: 3, step: 1 }, IndexRange { first: 4, last: 9, step: 1 }],
        None,
    );

    let same = JobSpec { array: split.unwrap(), ..each(DependencyKind::Ok, first, 10) };
    world.submit(same);
    let refusal = world.try_submit(each(DependencyKind::Ok, first, 9)).unwrap_err();

    assert_eq!(
        refusal.to_string(),
        "each task is to wait for that of job 1, but this job has the tasks 0-8 and that one 0-9"
    );
    assert_eq!(
        refusal.hint().as_deref(),
        Some("use --array 0-9, or wait for all of it with --after 1")
    );
}

#[test]
fn a_job_that_has_ended_counts_as_a_whole() {
    let mut world = World::with_nodes(&[2]);
    let submit = |world: &mut World, key, kind, state| {
        let past = vec![(JobId(90), state)];
        world.submit_as(Key([key; 16]), each(kind, JobId(90), 3), past)
    };

    let met = submit(&mut world, 1, DependencyKind::Ok, JobState::Succeeded);
    let unmet = submit(&mut world, 2, DependencyKind::Ok, JobState::Failed);
    let unknown = world.try_submit(each(DependencyKind::Ok, JobId(91), 3));

    assert!(met.is_ok());
    assert!(matches!(unmet, Err(Refusal::DependencyFailed { .. })), "{unmet:?}");
    assert!(matches!(unknown, Err(Refusal::DependencyUnknown { job: JobId(91) })), "{unknown:?}");
}

#[test]
fn a_million_tasks_that_wait_for_a_million_are_one_interval() {
    let mut world = World::with_nodes(&[2]);
    let first = world.submit(array(1_000_000));
    let second = world.submit(each(DependencyKind::Ok, first, 1_000_000));
    starts(&mut world);
    end(&mut world, first, 1, 0);

    let job = &world.engine.state().jobs[&second];

    assert_eq!(job.blocked.intervals().collect::<Vec<_>>(), [(0, 0), (2, 999_999)]);
    assert_eq!(job.open.len(), 1);
}

#[test]
fn why_names_the_task_that_is_waited_for() {
    let mut world = World::with_nodes(&[4]);
    let first = world.submit(array(2));
    let second = world.submit(each(DependencyKind::Ok, first, 2));
    starts(&mut world);
    end(&mut world, first, 0, 0);

    let of = |index| why(world.engine.state(), second, Some(index), world.now).unwrap().reason;

    assert_eq!(of(1).code(), "dependency.task-waiting");
    assert_eq!(of(1).to_string(), "it waits for task 1.1 to end");
    assert_eq!(of(0).code(), "queue.next");
}

#[test]
fn replaying_the_facts_gives_the_same_sets() {
    let mut world = World::with_nodes(&[3]);
    let first = world.submit(array(6));
    let second = world.submit(each(DependencyKind::Ok, first, 6));
    world.submit(each(DependencyKind::NotOk, second, 6));
    world.submit(JobSpec { retries: job().retries, ..each(DependencyKind::Any, first, 6) });
    for round in 0..6 {
        for (attempt, _) in world.schedule() {
            let fails = (attempt.task.index + round) % 3 == 0;
            world.end(attempt, exited(i32::from(fails)));
        }
        world.wait(1);
        let mut replayed = Engine::new();
        world.journal.iter().for_each(|entry| replayed.apply(entry));
        world.schedule();
        replayed.turn(&Input::Schedule, world.now).unwrap();
        let same = format!("{:?}", replayed.state()) == format!("{:?}", world.engine.state());
        assert!(same, "the replayed state differs in round {round}");
        for attempt in world.engine.state().attempts.keys().copied().collect::<Vec<_>>() {
            let number = world.engine.state().attempts[&attempt].number;
            world.end(AttemptId { task: attempt, number }, exited(0));
        }
    }
}

#[test]
fn what_has_lost_all_its_tasks_before_is_no_less_unmet() {
    let mut world = World::with_nodes(&[8]);
    let first = world.submit(array(2));
    let kind = DependencyKind::NotOk;
    let both = [false, true].map(|per_task| Dependency { job: first, kind, per_task });
    let second = world.submit(JobSpec { dependencies: both.to_vec(), ..array(2) });
    starts(&mut world);

    end(&mut world, first, 0, 0);
    let late = end(&mut world, first, 1, 0);

    let settled = Fact::DependencySettled { job: second, on: first, met: false };
    assert!(late.contains(&settled), "{late:?}");
}
