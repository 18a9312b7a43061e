//! What comes of what agents notice, and of what people decide.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::Effect;
use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::{Decide, Input, Noticed, Report};
use repower_core::plan::why;
use repower_core::policy::DEFAULT;
use repower_core::refusal::Refusal;
use repower_model::{
    AttemptId, Finding, FindingId, FindingState, Hash, Image, InputFile, JobSpec, JobState, NodeId,
    Outcome, Response, Role, Source, StopReason, Timestamp, Verdict,
};
use world::{World, array, exited, job};

const OWN: Hash = Hash([7; 32]);
const PYTHON: Hash = Hash([8; 32]);

/// A rule, its tier, and what it looks at.
type Rule = (&'static str, u8, &'static str);

const MODES: Rule = ("registers.rounding-modes", 1, "registers");
const CONSTANTS: Rule = ("content.known-constants", 1, "content");
const FLAT: Rule = ("load.flat", 3, "load");

fn verdict((rule, tier, mechanism): Rule, at: Timestamp) -> Verdict {
    Verdict {
        rule: rule.to_owned(),
        version: 1,
        tier,
        mechanism: mechanism.to_owned(),
        first_seen: at,
        last_seen: at,
        times: 2,
        detail: "process 17".to_owned(),
    }
}

/// Runs one task of a job; returns its attempt and node.
fn run(world: &mut World, spec: JobSpec) -> (AttemptId, NodeId) {
    world.submit(spec);
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    (attempt, node)
}

fn notice(world: &mut World, (attempt, node): (AttemptId, NodeId), all: &[Rule]) -> Vec<Effect> {
    let image = |digest, path: &str, shared| Image { digest, path: path.to_owned(), shared };
    let noticed = Noticed {
        rank: attempt.rank(0),
        verdicts: all.iter().map(|rule| verdict(*rule, world.now)).collect(),
        images: vec![image(OWN, "/srv/a", false), image(PYTHON, "/usr/bin/python3", true)],
        evidence: None,
    };
    let report = Report::Noticed(Box::new(noticed));
    world.turn(&Input::Report { node, report }).unwrap().effects
}

/// A job with a program of its own.
fn brings_its_own() -> JobSpec {
    let source = Source::Stored { digest: OWN, bytes: 9 };
    let input = InputFile { source, path: "tool".into(), unpack: false, executable: true };
    JobSpec { inputs: vec![input], ..job() }
}

/// The codes with which a job is refused.
fn refused(world: &mut World, spec: JobSpec) -> Vec<String> {
    let facts = world.try_submit(spec).unwrap().facts;
    let codes = facts.into_iter().filter_map(|fact| match fact {
        Fact::SubmissionRefused(refused) => Some(refused.code),
        _ => None,
    });
    codes.collect()
}

fn finding(world: &World, id: u64) -> Finding {
    world.engine.state().findings.get(FindingId(id)).unwrap().clone()
}

fn freezes(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Freeze { .. })).count()
}

#[test]
fn one_witness_of_the_first_tier_freezes_the_task_and_holds_the_rest_of_its_job() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, array(2));

    let effects = notice(&mut world, here, &[MODES]);

    assert_eq!(freezes(&effects), 1);
    let found = finding(&world, 1);
    assert_eq!((found.state, found.response), (FindingState::Open, Response::Freeze));
    assert_eq!((found.class.as_str(), found.node_name.as_str()), ("sci-simulation", "n1"));
    assert!(found.holds_outputs());
    let reason = why(world.engine.state(), here.0.task.job, Some(0), world.now).unwrap().reason;
    assert_eq!(reason.code(), "finding.frozen");
    world.end(here.0, Outcome::Lost { detail: "the node was lost".into() });
    assert_eq!(world.schedule(), [], "nothing of it starts until somebody has looked");
    let reason = why(world.engine.state(), here.0.task.job, Some(1), world.now).unwrap().reason;
    assert_eq!(reason.code(), "finding.job-held");
}

#[test]
fn two_witnesses_that_have_nothing_in_common_end_the_task_as_failed() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    notice(&mut world, here, &[MODES]);

    let effects = notice(&mut world, here, &[MODES, CONSTANTS]);

    let why = StopReason::Finding;
    assert_eq!(effects, [Effect::Stop { node: here.1, rank: here.0.rank(0), why }]);
    let forbidden = world.engine.state().findings.forbidden();
    assert!(forbidden.is_empty(), "what it has made may be a copy of what everybody runs");
    let facts = world.end(here.0, Outcome::Cancelled);
    assert!(facts.iter().any(|fact| matches!(fact, Fact::AttemptEnded(ended)
        if ended.outcome.code() == "finding" && ended.outcome.exit_code() == 77)));
    assert_eq!(world.outcome_of(here.0.task.job), Some((JobState::Failed, 77)));
    assert_eq!(finding(&world, 1).response, Response::Kill);
}

#[test]
fn what_two_witnesses_have_seen_and_the_job_has_brought_nobody_submits_until_a_person_has_looked() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, brings_its_own());

    let effects = notice(&mut world, here, &[MODES, CONSTANTS]);

    assert!(effects.contains(&Effect::Forbid), "{effects:?}");
    let why = |world: &World| world.engine.state().findings.forbidden().get(&OWN).cloned();
    let known = why(&world).unwrap();
    assert_eq!((known.finding, known.holds_everywhere()), (Some(FindingId(1)), false));
    assert_eq!(refused(&mut world, brings_its_own()), ["policy.quarantined"]);
    world.decide(1, FindingState::Confirmed).unwrap();
    assert!(why(&world).unwrap().holds_everywhere(), "now that a person has said so");
    world.decide(1, FindingState::Appealed).unwrap();
    world.decide(1, FindingState::Dismissed).unwrap();
    assert_eq!(why(&world), None);
}

#[test]
fn what_the_policy_leaves_to_a_person_is_held_and_not_frozen_and_agents_of_another_mind_are_told() {
    let policy = format!("{DEFAULT}\n[class.sci-simulation.detector]\nhardest = \"hold\"\n");
    let mut world = World::under(&policy, &[1]);
    let here = run(&mut world, job());

    let effects = notice(&mut world, here, &[MODES, CONSTANTS]);

    let found = finding(&world, 1);
    assert_eq!((found.response, found.hardest), (Response::Hold, Response::Hold));
    assert!(found.holds_outputs() && !found.holds_job() && !found.condemns());
    let rank = here.0.rank(0);
    assert_eq!(effects, [Effect::Thaw { node: here.1, rank, rules: Vec::new() }]);
    assert_eq!(notice(&mut world, here, &[FLAT]), []);
}

#[test]
fn a_dismissed_finding_lets_the_task_go_on_and_is_not_opened_again_for_the_same_rule() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    notice(&mut world, here, &[MODES]);

    let effects = world.decide(1, FindingState::Dismissed).unwrap().effects;

    let rules = vec!["registers.rounding-modes".to_owned()];
    let thaw = Effect::Thaw { node: here.1, rank: here.0.rank(0), rules };
    assert_eq!(effects, std::slice::from_ref(&thaw));
    assert!(!finding(&world, 1).holds_outputs());
    world.wait(120_000);
    let again = notice(&mut world, here, &[MODES]);
    assert_eq!(again, std::slice::from_ref(&thaw), "it may not know yet");
    assert_eq!(world.engine.state().findings.iter().count(), 1);
    assert_eq!(world.hello(here.1, 1, 1, &[here.0]), [thaw], "it may have missed it");
    // Another rule is another finding.
    assert_eq!(freezes(&notice(&mut world, here, &[MODES, CONSTANTS])), 1);
    assert_eq!(finding(&world, 2).verdicts.len(), 1);
    world.decide(2, FindingState::Dismissed).unwrap();
    world.end(here.0, exited(0));
    assert_eq!(world.outcome_of(here.0.task.job), Some((JobState::Succeeded, 0)));
}

#[test]
fn a_confirmed_finding_ends_the_task_cancels_the_rest_and_forbids_its_own_program_only() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, array(2));
    notice(&mut world, here, &[MODES]);
    world.decide(1, FindingState::UnderReview).unwrap();

    let effects = world.decide(1, FindingState::Confirmed).unwrap().effects;

    assert!(effects.contains(&Effect::Forbid), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Stop { why, .. }
        if *why == StopReason::Finding)));
    let forbidden = world.engine.state().findings.forbidden();
    assert_eq!(forbidden.keys().collect::<Vec<_>>(), [&OWN], "an interpreter is everybody's");
    world.end(here.0, Outcome::Cancelled);
    assert_eq!(world.outcome_of(here.0.task.job), Some((JobState::Failed, 77)));
    assert_eq!(refused(&mut world, brings_its_own()), ["policy.quarantined"]);
    assert_eq!(finding(&world, 2).submitter, "ada", "somebody should know who brought it");
}

#[test]
fn where_only_an_interpreter_ran_what_it_was_told_to_run_is_forbidden() {
    let mut world = World::with_nodes(&[1]);
    let input = |path: &str, byte: u8| InputFile {
        source: Source::Stored { digest: Hash([byte; 32]), bytes: 9 },
        path: path.into(),
        unpack: false,
        executable: false,
    };
    let command = ["python3", "-u", "./model", "data"].map(str::to_owned).to_vec();
    let inputs = vec![input("data", 3), input("model", 4)];
    let here = run(&mut world, JobSpec { command, inputs, ..job() });
    let python = Image { digest: PYTHON, path: "/usr/bin/python3".into(), shared: true };
    let verdicts = vec![verdict(MODES, world.now)];
    let (rank, evidence) = (here.0.rank(0), None);
    let noticed = Noticed { rank, verdicts, images: vec![python], evidence };
    let report = Report::Noticed(Box::new(noticed));
    world.turn(&Input::Report { node: here.1, report }).unwrap();

    // Also when its job is over.
    world.end(here.0, exited(0));
    world.decide(1, FindingState::Confirmed).unwrap();

    let forbidden = world.engine.state().findings.forbidden();
    assert_eq!(forbidden.keys().collect::<Vec<_>>(), [&Hash([4; 32])]);
}

#[test]
fn what_an_interpreter_was_told_to_run_is_forbidden_however_many_other_programs_run_beside() {
    let mut world = World::with_nodes(&[1]);
    let scripted =
        || JobSpec { script: b"#!/bin/sh\nmine\n".to_vec(), command: Vec::new(), ..job() };
    let here = run(&mut world, scripted());
    let image = |byte| Image { digest: Hash([byte; 32]), path: "/usr/bin/x".into(), shared: true };
    let (rank, evidence) = (here.0.rank(0), None);
    let (verdicts, images) = (vec![verdict(MODES, world.now)], (100..132).map(image).collect());
    let noticed = Noticed { rank, verdicts, images, evidence };
    let report = Report::Noticed(Box::new(noticed));
    world.turn(&Input::Report { node: here.1, report }).unwrap();

    world.decide(1, FindingState::Confirmed).unwrap();

    assert_eq!(refused(&mut world, scripted()), ["policy.quarantined"]);
}

#[test]
fn nothing_was_seen_before_the_job_was_there_whatever_the_clock_of_the_agent_says() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    let submitted = world.engine.state().job(here.0.task.job).unwrap().submitted;
    let verdicts = vec![verdict(MODES, Timestamp::from_millis(0))];
    let (rank, images, evidence) = (here.0.rank(0), Vec::new(), None);
    let report = Report::Noticed(Box::new(Noticed { rank, verdicts, images, evidence }));

    world.turn(&Input::Report { node: here.1, report }).unwrap();

    let found = finding(&world, 1);
    assert_eq!((found.first_seen(), found.last_seen()), (submitted, submitted));
}

#[test]
fn an_appeal_that_is_upheld_releases_what_was_forbidden() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    notice(&mut world, here, &[MODES]);
    world.decide(1, FindingState::Confirmed).unwrap();
    world.end(here.0, Outcome::Cancelled);
    let early = world.decide(1, FindingState::Dismissed);

    world.decide(1, FindingState::Appealed).unwrap();
    world.decide(1, FindingState::Dismissed).unwrap();

    assert!(matches!(early, Err(Refusal::FindingElsewhere { .. })), "appeal first: {early:?}");
    assert!(world.engine.state().findings.forbidden().is_empty());
    assert!(!finding(&world, 1).holds_outputs());
    let states: Vec<_> = finding(&world, 1).reviews.iter().map(|one| one.state).collect();
    let (confirmed, dismissed) = (FindingState::Confirmed, FindingState::Dismissed);
    assert_eq!(states, [confirmed, FindingState::Appealed, dismissed]);
}

#[test]
fn a_question_lapses_with_its_task_and_one_that_was_frozen_stays_open() {
    let mut world = World::with_nodes(&[1, 1]);
    let asked = run(&mut world, job());
    let frozen = run(&mut world, job());
    assert_eq!(notice(&mut world, asked, &[FLAT]), []);
    notice(&mut world, frozen, &[MODES]);
    let reason = why(world.engine.state(), asked.0.task.job, None, world.now).unwrap().reason;
    assert_eq!(reason.code(), "finding.asked");

    world.end(asked.0, exited(0));
    world.end(frozen.0, exited(0));

    assert_eq!(finding(&world, 1).state, FindingState::Lapsed);
    assert_eq!(finding(&world, 2).state, FindingState::Open);
    assert!(finding(&world, 2).holds_outputs());
}

#[test]
fn what_goes_on_is_a_fact_once_a_minute() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    notice(&mut world, here, &[FLAT]);
    let before = world.journal.len();

    for _ in 0..90 {
        world.wait(2_000);
        notice(&mut world, here, &[FLAT]);
    }

    assert_eq!(world.journal.len() - before, 3);
    assert_eq!(
        finding(&world, 1).last_seen().since(finding(&world, 1).first_seen()).as_millis(),
        180_000
    );
}

#[test]
fn who_decides_says_why_and_decides_only_what_is_open() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, job());
    notice(&mut world, here, &[MODES]);
    let (finding, state) = (FindingId(1), FindingState::Dismissed);
    let silent = Decide {
        finding,
        state,
        by: "mia".into(),
        role: Role::Operator,
        reason: " ".into(),
        quarantine: true,
    };

    let silent = world.turn(&Input::Decide(Box::new(silent)));
    let unknown = world.decide(9, FindingState::Dismissed);
    world.decide(1, FindingState::Dismissed).unwrap();
    let twice = world.decide(1, FindingState::Confirmed);

    assert_eq!(silent.unwrap_err(), Refusal::ReasonMissing);
    assert_eq!(unknown.unwrap_err().code(), "finding.unknown");
    assert_eq!(twice.unwrap_err().code(), "finding.elsewhere");
}

#[test]
fn an_agent_tells_only_of_what_runs_on_its_node() {
    let mut world = World::with_nodes(&[1, 1]);
    let here = run(&mut world, job());
    let elsewhere = world.engine.state().nodes.keys().find(|node| **node != here.1).copied();

    notice(&mut world, (here.0, elsewhere.unwrap()), &[MODES]);
    world.end(here.0, exited(0));
    notice(&mut world, here, &[MODES]);

    assert_eq!(world.engine.state().findings.iter().count(), 0);
}

#[test]
fn the_journal_gives_the_findings_back() {
    let mut world = World::with_nodes(&[1]);
    let here = run(&mut world, array(3));
    notice(&mut world, here, &[MODES]);
    world.wait(61_000);
    notice(&mut world, here, &[MODES]);
    world.decide(1, FindingState::Confirmed).unwrap();
    world.end(here.0, Outcome::Cancelled);
    world.decide(1, FindingState::Appealed).unwrap();

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    assert_eq!(replayed.state().findings, world.engine.state().findings);
}
