//! Findings and what has not started, what was given up, and what many people or programs bring.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::fact::Fact;
use repower_core::input::{Enter, Input, Noticed, Report};
use repower_core::refusal::Refusal;
use repower_core::state::Findings;
use repower_model::{
    AttemptId, Finding, FindingId, FindingState, Hash, Image, JobState, NodeId, Outcome, Role,
    Span, StopReason, TaskId, Verdict,
};
use world::{World, array, exited, job};

const PROGRAM: Hash = Hash([7; 32]);

fn notice(world: &mut World, (attempt, node): (AttemptId, NodeId), rule: &str, tier: u8) {
    let verdict = Verdict {
        rule: rule.to_owned(),
        version: 1,
        tier,
        mechanism: "registers".to_owned(),
        first_seen: world.now,
        last_seen: world.now + Span::from_secs(86_400),
        times: 2,
        detail: "process 17".to_owned(),
    };
    let images = vec![Image { digest: PROGRAM, path: "/srv/a".to_owned(), shared: false }];
    let noticed =
        Noticed { rank: attempt.rank(0), verdicts: vec![verdict], images, evidence: None };
    world.turn(&Input::Report { node, report: Report::Noticed(Box::new(noticed)) }).unwrap();
}

fn freeze(world: &mut World, here: (AttemptId, NodeId)) {
    notice(world, here, "registers.rounding-modes", 1);
}

fn finding(world: &World, id: u64) -> Option<Finding> {
    world.engine.state().findings.get(FindingId(id)).cloned()
}

#[test]
fn what_was_placed_of_a_frozen_job_is_taken_back_before_it_starts() {
    let mut world = World::with_nodes(&[1, 1]);
    world.submit(array(2));
    let placed = world.schedule();
    world.started(placed[0].0);

    let before = world.journal.len();
    freeze(&mut world, placed[0]);

    let recalled = world.journal[before..].iter().any(|entry| {
        matches!(&entry.fact, Fact::AttemptStopping { attempt, why: StopReason::Recalled, .. }
            if *attempt == placed[1].0)
    });
    assert!(recalled);
    world.end(placed[1].0, Outcome::Recalled);
    assert_eq!(world.schedule(), []);
}

#[test]
fn nothing_of_a_confirmed_job_runs_again() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = world.submit(array(2));
    let placed = world.schedule();
    for (attempt, _) in &placed {
        world.started(*attempt);
    }
    freeze(&mut world, placed[0]);
    world.decide(1, FindingState::Confirmed).unwrap();

    world.end(placed[1].0, Outcome::Lost { detail: "the node was lost".into() });

    assert_eq!(world.schedule(), []);
    world.end(placed[0].0, Outcome::Cancelled);
    assert_eq!(world.outcome_of(id).unwrap().0, JobState::Failed);
}

#[test]
fn nobody_enters_a_task_that_stands_still() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(job());
    let here = world.schedule()[0];
    world.started(here.0);
    let enter = Input::Enter(Box::new(Enter {
        task: TaskId { job: id, index: 0 },
        rank: 0,
        command: vec!["sh".into()],
        by: "mia".into(),
        role: Role::Operator,
    }));
    world.turn(&enter).unwrap();

    freeze(&mut world, here);

    let refused = world.turn(&enter).unwrap_err();
    let task = TaskId { job: id, index: 0 };
    assert_eq!(refused, Refusal::StandsStill { task, finding: FindingId(1) });
    world.decide(1, FindingState::Dismissed).unwrap();
    world.turn(&enter).unwrap();
}

#[test]
fn what_was_noticed_before_a_node_was_lost_is_a_finding_when_it_is_told() {
    let mut world = World::with_nodes(&[1]);
    let id = world.submit(job());
    let here = world.schedule()[0];
    world.started(here.0);
    world.end(here.0, Outcome::Lost { detail: "the node was lost".into() });

    freeze(&mut world, here);

    let found = finding(&world, 1).unwrap();
    assert_eq!((found.job, found.class.as_str()), (Some(id), "sci-simulation"));
    assert_eq!(world.schedule(), [], "its next attempt waits until somebody has looked");
}

#[test]
fn nothing_is_seen_later_than_now() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    let here = world.schedule()[0];
    world.started(here.0);

    freeze(&mut world, here);

    assert_eq!(finding(&world, 1).unwrap().last_seen(), world.now);
}

#[test]
fn a_program_of_two_confirmed_findings_stays_forbidden_until_both_are_dismissed() {
    let mut world = World::with_nodes(&[1, 1]);
    for number in 1..=2 {
        world.submit(job());
        let here = world.schedule()[0];
        world.started(here.0);
        freeze(&mut world, here);
        world.decide(number, FindingState::Confirmed).unwrap();
    }
    let dismiss = |world: &mut World, number| {
        world.decide(number, FindingState::Appealed).unwrap();
        world.decide(number, FindingState::Dismissed).unwrap();
    };

    dismiss(&mut world, 1);
    let forbidden = world.engine.state().findings.forbidden().get(&PROGRAM).cloned();
    dismiss(&mut world, 2);

    assert_eq!(forbidden.unwrap().finding, Some(FindingId(2)));
    assert!(world.engine.state().findings.forbidden().is_empty());
}

#[test]
fn questions_that_lapse_push_out_no_decision() {
    let mut world = World::with_nodes(&[1]);
    let run = |world: &mut World| {
        world.submit(job());
        let here = world.schedule()[0];
        world.started(here.0);
        here
    };
    let here = run(&mut world);
    freeze(&mut world, here);
    world.decide(1, FindingState::Confirmed).unwrap();
    world.end(here.0, Outcome::Cancelled);

    let many = Findings::LAPSED + Findings::KEPT;
    for _ in 0..many {
        let here = run(&mut world);
        notice(&mut world, here, "load.flat", 3);
        world.end(here.0, exited(0));
        world.wait(61_000);
    }

    let findings = &world.engine.state().findings;
    let kept = findings.iter().filter(|one| one.state == FindingState::Lapsed).count();
    assert!((Findings::LAPSED..=Findings::LAPSED + 1).contains(&kept), "{kept}");
    world.decide(1, FindingState::Appealed).unwrap();
}
