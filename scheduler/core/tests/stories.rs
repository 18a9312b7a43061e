//! Stories about the engine: one rule each.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::{Answer, Effect};
use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::{Input, Rest};
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{
    Array, Cpus, DependencyKind, IndexRange, JobId, JobSpec, JobState, Key, NodeId, NodePhase,
    Outcome, Resources, Retries, Role, Span, StopReason,
};
use world::{World, after, array, attempt, cpus, exited, job};

#[test]
fn a_job_runs_and_leaves_memory() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(job());

    let placed = world.schedule();
    world.started(placed[0].0);
    world.end(placed[0].0, exited(0));

    assert_eq!(placed, [(attempt(id, 0, 1), NodeId(1))]);
    assert_eq!(world.outcome_of(id), Some((JobState::Succeeded, 0)));
    assert!(world.engine.state().jobs.is_empty() && world.engine.state().attempts.is_empty());
}

#[test]
fn the_same_key_gives_the_same_job() {
    let mut world = World::with_nodes(&[2]);
    let first = world.submit_as(Key([7; 16]), job(), Vec::new()).unwrap();

    let again = world.submit_as(Key([7; 16]), job(), Vec::new()).unwrap();

    assert!(matches!(first.answer, Answer::Job { job: JobId(1), created: true, .. }));
    assert!(matches!(again.answer, Answer::Job { job: JobId(1), created: false, .. }));
    assert!(again.facts.is_empty());
}

#[test]
fn replaying_the_facts_gives_the_same_state() {
    let mut world = World::with_nodes(&[2, 3]);
    let first = world.submit(array(9));
    world.submit(after(DependencyKind::Ok, first));
    for round in 0..4 {
        for (attempt, _) in world.schedule() {
            world.started(attempt);
            world.end(attempt, exited(i32::from(attempt.task.index == 3)));
        }
        world.wait(round);
    }

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    world.schedule();
    replayed.turn(&Input::Schedule, world.now).unwrap();
    let same = format!("{:?}", replayed.state()) == format!("{:?}", world.engine.state());
    assert!(same, "the replayed state differs");
    assert_eq!(world.outcome_of(JobId(2)), Some((JobState::Cancelled, 130)));
}

#[test]
fn what_the_policy_forbids_is_refused_and_the_refusal_is_a_fact() {
    let mut world = World::with_nodes(&[2]);

    let mining = world.try_submit(JobSpec { class: "pow-mining".into(), ..job() }).unwrap();
    let nothing = world.try_submit(JobSpec { class: String::new(), ..job() }).unwrap();
    let typo = world.try_submit(JobSpec { class: "sci-simulatoin".into(), ..job() }).unwrap();

    assert!(matches!(mining.answer, Answer::Refused(Refusal::ClassProhibited { .. })));
    assert!(matches!(nothing.answer, Answer::Refused(Refusal::ClassUndeclared { .. })));
    let Answer::Refused(Refusal::ClassUnknown { nearest, .. }) = typo.answer else { panic!() };
    assert_eq!(nearest.as_deref(), Some("sci-simulation"));
    assert!(
        matches!(&mining.facts[..], [Fact::SubmissionRefused(one)] if one.code == "class.prohibited")
    );
    assert!(world.engine.state().jobs.is_empty());
}

#[test]
fn work_under_review_waits_until_somebody_approves_it_with_a_reason() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(JobSpec { class: "hash-heavy".into(), ..job() });
    let review = |reason: &str| Input::Review {
        job: id,
        approve: true,
        by: "op".into(),
        reason: reason.into(),
    };

    assert_eq!(world.schedule(), []);
    assert_eq!(
        why(world.engine.state(), id, None, world.now).unwrap().reason.code(),
        "policy.review"
    );
    assert_eq!(world.turn(&review(" ")), Err(Refusal::ReasonMissing));
    world.turn(&review("checksums of the archive")).unwrap();

    assert_eq!(world.schedule().len(), 1);
}

#[test]
fn a_denied_job_is_cancelled() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(JobSpec { class: "hash-heavy".into(), ..job() });

    let deny = Input::Review { job: id, approve: false, by: "op".into(), reason: "no case".into() };
    world.turn(&deny).unwrap();

    assert_eq!(world.outcome_of(id), Some((JobState::Cancelled, 130)));
}

#[test]
fn higher_priority_goes_first_then_age_and_the_tightest_node_is_taken() {
    let mut world = World::with_nodes(&[4, 1]);
    let (low, high) = (world.submit(job()), world.submit(JobSpec { priority: 5, ..job() }));
    let wide = world.submit(JobSpec { resources: cpus(3), ..job() });

    let placed = world.schedule();

    let order: Vec<_> = placed.iter().map(|(attempt, node)| (attempt.task.job, node.0)).collect();
    assert_eq!(order, [(high, 2), (low, 1), (wide, 1)]);
}

#[test]
fn what_has_waited_too_long_is_overtaken_no_more() {
    let mut world = World::with_nodes(&[2]);
    world.submit(job());
    let running = world.schedule()[0].0;
    let wide = world.submit(JobSpec { resources: cpus(2), ..job() });
    world.submit(job());
    let overtaking = world.schedule();
    world.wait(600_000);
    world.submit(job());

    world.end(overtaking[0].0, exited(0));
    let kept = world.schedule();
    world.end(running, exited(0));
    let placed = world.schedule();

    assert_eq!(kept, []);
    assert_eq!(placed[0].0.task.job, wide);
}

#[test]
fn a_lost_node_ends_its_attempts_once_and_a_late_report_changes_nothing() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = world.submit(job());
    let (first, node) = world.schedule()[0];
    world.started(first);

    let silent = Input::Silent { node, reason: "not heard of for 15s".into() };
    let facts = world.turn(&silent).unwrap().facts;
    assert!(world.turn(&silent).unwrap().facts.is_empty());
    let (second, other) = world.schedule()[0];
    let late = world.end_on(node, first, exited(0), 1);
    world.end(second, exited(0));

    assert!(matches!(facts[..], [Fact::NodeLost { .. }, Fact::AttemptEnded(_)]));
    assert_eq!((second, late.len()), (attempt(id, 0, 2), 0));
    assert_ne!(node, other);
    assert_eq!(world.outcome_of(id), Some((JobState::Succeeded, 0)));
}

#[test]
fn a_restarted_agent_loses_its_tasks_but_a_reconnected_one_keeps_them() {
    let mut world = World::with_nodes(&[3]);
    let id = world.submit(array(3));
    let placed = world.schedule();
    world.started(placed[0].0);

    // The second never arrived; the third was told to stop while the link was down.
    let again = world.hello(NodeId(1), 1, 3, &[placed[0].0, placed[2].0]);
    assert_eq!(again, [Effect::Start { node: NodeId(1), attempt: placed[1].0 }]);
    world.hello(NodeId(1), 2, 3, &[]);

    let next: Vec<_> = world.schedule().iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(next, [attempt(id, 0, 2), attempt(id, 1, 2), attempt(id, 2, 2)]);
}

#[test]
fn an_attempt_that_is_not_ours_any_more_is_stopped_as_stale() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    let (first, node) = world.schedule()[0];
    world.turn(&Input::Silent { node, reason: "silence".into() }).unwrap();

    let effects = world.hello(node, 1, 1, &[first]);

    assert!(effects.contains(&Effect::Stop { node, rank: first.rank(0), why: StopReason::Stale }));
}

#[test]
fn retries_tell_the_users_fault_from_the_systems() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(JobSpec { retries: Retries { user: 1, system: 1 }, ..job() });

    let ends = [Outcome::Lost { detail: "x".into() }, exited(3), Outcome::Signalled { signal: 9 }];
    for end in ends {
        let (attempt, _) = world.schedule()[0];
        world.end(attempt, end);
    }

    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 137)));
}

#[test]
fn a_task_that_a_node_cannot_start_goes_elsewhere_before_it_fails() {
    let mut world = World::with_nodes(&[1, 2]);
    let id = world.submit(job());
    let cannot = || Outcome::NotStarted { detail: "command not found: foo".into() };

    let (first, one) = world.schedule()[0];
    world.end(first, cannot());
    let (second, other) = world.schedule()[0];
    world.end(second, cannot());

    assert_ne!(one, other);
    assert_eq!(world.outcome_of(id), Some((JobState::Failed, 126)));
}

#[test]
fn a_black_hole_is_held_back_and_gives_back_what_it_ate() {
    let mut world = World::with_nodes(&[1, 4]);
    let id = world.submit(array(40));
    let hole = NodeId(1);
    let mut slow = Vec::new();

    // Node 1 fails each task at once; node 2 is still busy with its first four.
    for _ in 0..6 {
        for (attempt, node) in world.schedule() {
            if node == hole {
                world.end_on(hole, attempt, exited(1), 2_000);
            } else {
                slow.push(attempt);
            }
        }
    }
    assert_eq!(world.engine.state().jobs[&id].failed.len(), 6);
    world.end(slow[0], exited(0));
    let facts = world.end(slow[1], exited(0));

    assert!(
        facts.iter().any(|fact| matches!(fact, Fact::NodeHeldBack { node, .. } if *node == hole))
    );
    assert_eq!(world.engine.state().jobs[&id].failed.len(), 0);
    assert!(world.schedule().iter().all(|(_, node)| *node != hole));
    while world.outcome_of(id).is_none() {
        let live: Vec<_> = world
            .engine
            .state()
            .attempts
            .iter()
            .map(|(t, a)| attempt(id, t.index, a.number))
            .collect();
        for attempt in live {
            world.end(attempt, exited(0));
        }
        world.schedule();
    }
    assert_eq!(world.outcome_of(id), Some((JobState::Succeeded, 0)));
}

#[test]
fn dependencies_hold_release_and_cascade() {
    let mut world = World::with_nodes(&[4]);
    let first = world.submit(job());
    let ok = world.submit(after(DependencyKind::Ok, first));
    let not_ok = world.submit(after(DependencyKind::NotOk, first));
    let any = world.submit(after(DependencyKind::Any, first));
    let chained = world.submit(after(DependencyKind::Any, ok));

    let (attempt, _) = world.schedule()[0];
    world.end(attempt, exited(1));
    let released: Vec<_> = world.schedule().iter().map(|(attempt, _)| attempt.task.job).collect();

    assert_eq!(world.outcome_of(ok), Some((JobState::Cancelled, 130)));
    assert_eq!(released, [not_ok, any, chained]);
}

#[test]
fn a_dependency_on_the_past_is_settled_at_submit() {
    let mut world = World::with_nodes(&[4]);
    let old = JobId(77);
    let spec = || after(DependencyKind::Ok, old);

    let failed = world.submit_as(Key([1; 16]), spec(), vec![(old, JobState::Failed)]);
    let unknown = world.submit_as(Key([2; 16]), spec(), Vec::new());
    let passed = world.submit_as(Key([3; 16]), spec(), vec![(old, JobState::Succeeded)]);

    assert!(matches!(failed, Err(Refusal::DependencyFailed { .. })));
    assert_eq!(unknown, Err(Refusal::DependencyUnknown { job: old }));
    assert!(passed.is_ok());
    assert_eq!(world.schedule().len(), 1);
}

#[test]
fn an_array_keeps_its_limit_and_its_indices() {
    let mut world = World::with_nodes(&[8]);
    let range = IndexRange { first: 1, last: 9, step: 2 };
    let limited = Array::new(vec![range], Some(2)).unwrap();
    let id = world.submit(JobSpec { array: limited, ..job() });

    let placed = world.schedule();
    let why_not = why(world.engine.state(), id, Some(7), world.now).unwrap();
    world.end(placed[0].0, exited(0));
    let next = world.schedule();

    let indices: Vec<_> = placed.iter().map(|(attempt, _)| attempt.task.index).collect();
    assert_eq!(indices, [1, 3]);
    assert_eq!(why_not.reason.code(), "array.limit");
    assert_eq!(next[0].0, attempt(id, 5, 1));
}

#[test]
fn a_job_starts_after_its_time_and_not_before() {
    let mut world = World::with_nodes(&[8]);
    let at = world.now + Span::from_secs(60);
    world.submit(JobSpec { start_after: Some(at), ..job() });

    assert_eq!(world.schedule(), []);
    assert_eq!(world.engine.next_wake(world.now), Some(at));
    world.wait(60_000);

    assert_eq!(world.schedule().len(), 1);
}

#[test]
fn cancelling_stops_what_runs_and_never_starts_what_waits() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(array(1_000_000));
    let placed = world.schedule();
    let cancel = |tasks| Input::Cancel {
        job: id,
        tasks,
        by: "ada".into(),
        role: Role::Submitter,
        reason: "enough".into(),
    };

    let range = |first, last| IndexRange { first, last, step: 1 };
    let some = world.turn(&cancel(Some(vec![range(1, 7), range(4, 9)]))).unwrap();
    let all = world.turn(&cancel(None)).unwrap();
    world.end(placed[0].0, Outcome::Cancelled);
    world.end(placed[1].0, exited(0));

    assert_eq!(
        some.answer,
        Answer::Cancelled { pending: 8, stopping: 1, out_of_touch: 0, given_up: 0 }
    );
    assert_eq!(
        all.answer,
        Answer::Cancelled { pending: 999_990, stopping: 1, out_of_touch: 0, given_up: 0 }
    );
    assert_eq!(world.outcome_of(id), Some((JobState::Cancelled, 130)));
    assert_eq!(world.turn(&cancel(None)), Err(Refusal::JobHasEnded { job: id }));
}

#[test]
fn short_tasks_wait_on_the_node_and_are_taken_back_when_another_is_free() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(array(70));
    let (first, node) = world.schedule()[0];
    world.end_on(node, first, exited(0), 1_000);

    let placed = world.schedule();
    assert_eq!(placed.len(), 41, "one in the slot and 40 ms of work behind it");
    let other = world.join("n2", 1);
    let elsewhere = world.schedule();
    assert!(elsewhere.iter().all(|(_, node)| *node == other));
    let mut left: Vec<_> = elsewhere.iter().map(|(attempt, _)| *attempt).collect();
    while let Some(attempt) = left.pop() {
        world.end_on(other, attempt, exited(0), 1_000);
        left.extend(
            world.schedule().iter().filter(|(_, node)| *node == other).map(|(attempt, _)| *attempt),
        );
    }
    world.wait(200);
    let facts = world.turn(&Input::Schedule).unwrap().facts;

    let Fact::AttemptStopping { attempt: back, why: StopReason::Recalled, .. } = &facts[0] else {
        panic!("{facts:?}")
    };
    world.end(*back, Outcome::Recalled);
    let (again, at) = world.schedule()[0];
    assert_eq!((again.task, again.number, at), (back.task, 2, other));
    assert!(world.engine.state().jobs[&id].failed.is_empty());
}

#[test]
fn drained_nodes_get_nothing_new_until_they_are_resumed() {
    let mut world = World::with_nodes(&[1]);
    let node = NodeId(1);
    world
        .turn(&Input::Drain { node, rest: Rest::Finishes, by: "op".into(), reason: "fan".into() })
        .unwrap();
    let id = world.submit(job());

    assert_eq!(world.schedule(), []);
    let explained = why(world.engine.state(), id, None, world.now).unwrap();
    world.turn(&Input::Resume { node, by: "op".into() }).unwrap();

    assert_eq!(explained.reason.code(), "nodes.none");
    let funnel: Vec<_> =
        explained.funnel.iter().map(|step| (step.code, step.nodes_left)).take(3).collect();
    assert_eq!(funnel, [("nodes.enrolled", 1), ("nodes.up", 1), ("nodes.not-drained", 0)]);
    assert_eq!(world.schedule().len(), 1);
}

#[test]
fn why_names_the_exhausted_dimension_with_numbers() {
    let mut world = World::with_nodes(&[2, 4]);
    world.submit(JobSpec { resources: cpus(3), ..job() });
    world.schedule();
    let wide = world.submit(JobSpec { resources: cpus(4), ..job() });
    world.schedule();

    let explained = why(world.engine.state(), wide, None, world.now).unwrap();

    assert_eq!(explained.reason.code(), "resources.busy");
    assert_eq!(
        explained.reason.to_string(),
        "the one node that could hold a task has 1 cpu free, and it asks for 4 cpus"
    );
    assert_eq!((explained.shortages[0].free, explained.shortages[0].most), (1000, 4000));
}

#[test]
fn a_task_larger_than_every_node_is_refused_with_both_numbers() {
    let mut world = World::with_nodes(&[2, 4]);

    let refusal = world.try_submit(JobSpec { resources: cpus(5), ..job() }).unwrap_err();

    assert_eq!(refusal.to_string(), "a task asks for 5 cpus, but the largest node, n2, has 4");
}

#[test]
fn absurd_numbers_are_refused_with_what_is_allowed() {
    let mut world = World::with_nodes(&[2]);
    let mut refused = |spec| world.try_submit(spec).unwrap_err().to_string();

    let none = refused(JobSpec { resources: Resources::default(), ..job() });
    let many = refused(JobSpec {
        resources: Resources { cpus: Cpus::from_whole(u64::MAX / 1000), ..Resources::default() },
        ..job()
    });
    let priority = refused(JobSpec { priority: 5000, ..job() });
    let arguments = refused(JobSpec { command: vec!["x".into(); 1_000_000], ..job() });

    assert_eq!(none, "the number of cpus is 0, but must be more than 0 and at most 1000000");
    assert!(many.starts_with("the number of cpus is 18446744073709551"), "{many}");
    assert_eq!(priority, "the priority is 5000, but must be between -1000 and 1000");
    assert!(arguments.contains("8.5 MiB") && arguments.contains("at most 1 MiB"), "{arguments}");
}

#[test]
fn a_join_token_works_once_and_a_name_belongs_to_one_agent() {
    let mut world = World::with_nodes(&[2]);
    let used = repower_core::policy::hash_of(b"n1");
    let enrol = |name: &str, secret| Input::Enrol {
        secret,
        name: name.into(),
        fingerprint: repower_core::policy::hash_of(name.as_bytes()),
    };

    let again = world.turn(&enrol("other", used)).unwrap_err();
    let wrong = world.turn(&enrol("other", repower_core::policy::hash_of(b"guess"))).unwrap_err();

    assert!(matches!(again, Refusal::TokenUsed { .. }));
    assert_eq!(wrong, Refusal::TokenWrong);
    assert_eq!(world.engine.state().nodes[&NodeId(1)].phase, NodePhase::Up);
}

#[test]
fn an_empty_cluster_accepts_work_and_says_what_is_missing() {
    let mut world = World::with_nodes(&[]);
    let id = world.submit(JobSpec { resources: cpus(64), ..job() });

    world.schedule();

    assert_eq!(why(world.engine.state(), id, None, world.now).unwrap().reason.code(), "nodes.none");
}

#[test]
fn ranges_and_words_from_the_wire_are_bounded_before_anything_is_done() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = world.submit(array(10));
    let mut cancel = |tasks: Vec<IndexRange>| {
        let (by, reason) = ("ada".to_owned(), "x".to_owned());
        world
            .turn(&Input::Cancel { job: id, tasks: Some(tasks), by, role: Role::Submitter, reason })
            .unwrap_err()
    };

    let still = cancel(vec![IndexRange { first: 0, last: 0, step: 0 }]);
    let many = cancel(vec![IndexRange { first: 0, last: 9, step: 1 }; 100_001]);
    let vast = cancel(vec![IndexRange { first: 0, last: u32::MAX, step: 1 }]);
    let class = world.try_submit(JobSpec { class: "x".repeat(1_000_000), ..job() }).unwrap_err();

    let codes = [still, many, vast, class].map(|refusal| refusal.code());
    assert_eq!(codes, ["job.bad-array", "job.bad-array", "job.bad-array", "job.bad-text"]);
}

#[test]
fn what_an_agent_had_not_started_when_it_left_is_nobodys_fault() {
    let mut world = World::with_nodes(&[1]);
    let retries = Retries { user: 0, system: 0 };
    let id = world.submit(JobSpec { retries, ..job() });
    let (_, node) = world.schedule()[0];

    world.turn(&Input::Goodbye { node, reason: "told to end".into() }).unwrap();
    world.hello(node, 2, 1, &[]);
    let (again, _) = world.schedule()[0];

    assert_eq!(again, attempt(id, 0, 2));
}

#[test]
fn many_jobs_that_one_node_cannot_start_do_not_make_a_pass_long() {
    let mut world = World::with_nodes(&[1, 1]);
    let blocker = world.submit(job());
    let (busy, _) = world.schedule()[0];
    assert_eq!(busy.task.job, blocker);
    for _ in 0..200 {
        world.submit(job());
        let placed = world.schedule();
        world.end(placed[0].0, Outcome::NotStarted { detail: "command not found: foo".into() });
    }

    assert_eq!(world.schedule(), [], "all of them avoid the node that is free");
    world.end(busy, exited(0));
    assert_eq!(world.schedule().len(), 1);
}
