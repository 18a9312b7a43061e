//! What agents say of the work around a task: its outputs, and the steps of its end.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::fact::{Fact, OutputsKept};
use repower_core::input::{Input, Report};
use repower_model::{
    Artefact, Claim, Hash, NodeId, Outcome, Progress, RankId, Sequel, StopCause, StopStep,
    Timestamp,
};
use world::{World, exited, job};

fn kept(rank: RankId) -> Report {
    let artefact = Artefact { path: "a.txt".into(), bytes: 3, digest: Hash([1; 32]) };
    let missing = vec!["`*.log` matches nothing".into()];
    Report::Kept(Box::new(OutputsKept { rank, artefacts: vec![artefact], missing }))
}

fn stopping(rank: RankId, taken: Timestamp) -> Report {
    Report::Stopping { rank, step: StopStep::Kill, cause: StopCause::TimedOut, signal: 9, taken }
}

#[test]
fn outputs_and_steps_of_a_stop_become_facts_while_the_process_is_on_its_node() {
    let mut world = World::with_nodes(&[2]);
    world.submit(job());
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    let rank = RankId::from(attempt);

    let stop = world.turn(&Input::Report { node, report: stopping(rank, world.now) }).unwrap();
    let outputs = world.turn(&Input::Report { node, report: kept(rank) }).unwrap();

    assert!(matches!(stop.facts[..], [Fact::StopStepTaken { step: StopStep::Kill, .. }]));
    assert!(matches!(&outputs.facts[..], [Fact::OutputsKept(kept)] if kept.artefacts.len() == 1));
}

#[test]
fn what_a_process_claims_is_one_fact_and_decides_nothing() {
    let mut world = World::with_nodes(&[2]);
    world.submit(job());
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    let rank = RankId::from(attempt);
    let report = |line: &[u8]| {
        let (said, claim) = (Timestamp::from_millis(7), Claim::read(line).ok());
        let progress = Progress {
            claim,
            said,
            changed: said,
            first: None,
            lines: 1,
            bad_lines: 0,
            mistake: String::new(),
        };
        Input::Report { node, report: Report::Claimed { rank, progress: Box::new(progress) } }
    };

    let first = world.turn(&report(b"1")).unwrap();
    let again = world.turn(&report(b"0.5")).unwrap();

    let [Fact::ProgressClaimed { rank: whose, progress }] = &first.facts[..] else {
        panic!("{:?}", first.facts)
    };
    assert_eq!((*whose, progress.claim.as_ref().unwrap().to_string()), (rank, "1".into()));
    assert!(again.facts.is_empty() && first.effects.is_empty(), "{again:?}");
    let facts = world.end(attempt, exited(3));
    let failed =
        |fact: &Fact| matches!(fact, Fact::AttemptEnded(end) if end.sequel == Sequel::Failed);
    assert!(facts.iter().any(failed), "whatever it claims: {facts:?}");
}

#[test]
fn what_is_said_late_or_by_another_node_changes_nothing() {
    let mut world = World::with_nodes(&[2, 2]);
    world.submit(job());
    let (attempt, node) = world.schedule()[0];
    let other = NodeId(if node.0 == 1 { 2 } else { 1 });
    let rank = RankId::from(attempt);

    let foreign = world.turn(&Input::Report { node: other, report: kept(rank) }).unwrap();
    world.started(attempt);
    world.end(attempt, exited(0));
    let late = world.turn(&Input::Report { node, report: kept(rank) }).unwrap();
    let late_step = world.turn(&Input::Report { node, report: stopping(rank, world.now) }).unwrap();

    assert_eq!([foreign.facts, late.facts, late_step.facts], [vec![], vec![], vec![]]);
}

#[test]
fn a_task_that_saved_its_work_is_started_again_and_uses_up_no_retry() {
    let mut world = World::with_nodes(&[2]);
    world.submit(job());
    for _ in 0..3 {
        let (attempt, _) = world.schedule()[0];
        world.started(attempt);

        let facts = world.end(attempt, Outcome::Checkpointed { code: 85 });

        let ended = facts.iter().find_map(|fact| match fact {
            Fact::AttemptEnded(ended) => Some(ended.sequel),
            _ => None,
        });
        assert_eq!(ended, Some(Sequel::Again));
    }
}
