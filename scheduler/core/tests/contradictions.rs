//! What is found in a job and contradicts what it declares, before anything of it runs.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::Answer;
use repower_core::fact::Fact;
use repower_core::input::{Approve, Input, Submit};
use repower_core::plan::why;
use repower_core::policy::{DEFAULT, content_of, hash_of};
use repower_model::{
    Finding, FindingSource, FindingState, Hash, JobId, JobSpec, JobState, Key, Mark, Response,
    Sign, Span,
};
use world::{World, exited, job};

fn mark(sign: Sign) -> Mark {
    Mark { sign, place: "script".into(), detail: "has some of it".into() }
}

fn scripted(text: &str) -> JobSpec {
    JobSpec { script: text.as_bytes().to_vec(), ..job() }
}

fn submit(world: &mut World, key: u8, spec: JobSpec, signs: &[Sign]) -> Answer {
    let submit = Submit {
        key: Key([key; 16]),
        submitter: "ada".into(),
        spec,
        spec_hash: Hash([0; 32]),
        past: Vec::new(),
        marks: signs.iter().map(|sign| mark(*sign)).collect(),
        looked_by: None,
    };
    world.turn(&Input::Submit(Box::new(submit))).unwrap().answer
}

/// A world whose policy lets people look at what was found, instead of refusing it.
fn asking() -> World {
    let policy = DEFAULT.replace("on-hit = \"refuse\"", "on-hit = \"review\"");
    World::under(&policy, &[2])
}

fn held(world: &mut World, key: u8, spec: JobSpec) -> JobId {
    match submit(world, key, spec, &[Sign::ProofOfWork]) {
        Answer::Job { job, hold: Some(_), .. } => job,
        other => panic!("not held: {other:?}"),
    }
}

fn findings(world: &World) -> Vec<Finding> {
    world.engine.state().findings.iter().cloned().collect()
}

fn review(world: &mut World, job: JobId, approved: bool) {
    let (by, reason) = ("mia".to_owned(), "I have read it".to_owned());
    world.turn(&Input::Review { job, approve: approved, by, reason }).unwrap();
}

#[test]
fn what_is_refused_for_its_content_is_a_finding_too_and_keeps_its_class() {
    let mut world = World::with_nodes(&[2]);

    let answer = submit(&mut world, 1, scripted("a"), &[Sign::ProofOfWork, Sign::PoolClient]);

    assert!(
        matches!(answer, Answer::Refused(refusal) if refusal.code() == "content.proof-of-work")
    );
    let found = findings(&world);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.source, one.job), (FindingSource::Admission, None));
    assert_eq!((one.class.as_str(), one.submitter.as_str()), ("sci-simulation", "ada"));
    assert_eq!(one.rules(), "content.known-constants, content.pool-words");
    assert_eq!(one.images[0].digest, hash_of(b"a"), "what was brought can be forbidden");
    let refused = world.journal.iter().any(|entry| {
        matches!(&entry.fact, Fact::SubmissionRefused(one) if one.code == "content.proof-of-work")
    });
    assert!(refused, "and the refusal is a fact");
}

#[test]
fn what_waits_for_a_person_because_of_its_content_has_a_finding_that_its_approval_decides() {
    let mut world = asking();
    let job = held(&mut world, 1, scripted("a"));
    let open = findings(&world)[0].clone();
    assert_eq!(
        (open.job, open.state, open.response),
        (Some(job), FindingState::Open, Response::Freeze)
    );
    assert_eq!(world.schedule(), []);

    review(&mut world, job, true);

    let decided = findings(&world)[0].clone();
    assert_eq!(decided.state, FindingState::Dismissed);
    let told = decided.reviews.last().unwrap();
    assert_eq!(
        (told.by.as_str(), told.reason.as_str()),
        ("mia", "job 1 was approved: I have read it")
    );
    let (attempt, _) = world.schedule()[0];
    world.started(attempt);
    world.end(attempt, exited(0));
    assert_eq!(world.outcome_of(job), Some((JobState::Succeeded, 0)));
}

#[test]
fn an_approval_of_its_content_decides_the_finding_and_the_next_one_opens_none() {
    let mut world = asking();
    let job = held(&mut world, 1, scripted("a"));
    let asked = Approve {
        class: "sci-simulation".into(),
        project: None,
        content: content_of(&scripted("a")),
        until: world.now + Span::from_secs(3600),
        by: "mia".into(),
        reason: "a test of the scanner".into(),
    };

    world.turn(&Input::Approve(Box::new(asked))).unwrap();

    assert_eq!(findings(&world)[0].state, FindingState::Dismissed);
    let answer = submit(&mut world, 2, scripted("a"), &[Sign::ProofOfWork]);
    assert!(matches!(answer, Answer::Job { hold: None, .. }), "{answer:?}");
    assert_eq!(findings(&world).len(), 1, "somebody has looked at the same already");
    assert_eq!(world.schedule().len(), 2, "job {job} goes, too");
}

#[test]
fn a_dismissal_alone_lets_nothing_run_and_a_confirmation_ends_the_job_and_forbids_its_script() {
    let mut world = asking();
    let (one, other) = (held(&mut world, 1, scripted("a")), held(&mut world, 2, scripted("b")));

    world.decide(1, FindingState::Dismissed).unwrap();
    world.decide(2, FindingState::Confirmed).unwrap();

    assert_eq!(world.schedule(), []);
    let waits = why(world.engine.state(), one, None, world.now).unwrap().reason;
    assert_eq!(waits.code(), "content.review");
    assert_eq!(world.outcome_of(other).map(|(state, _)| state), Some(JobState::Cancelled));
    let again = submit(&mut world, 3, scripted("b"), &[]);
    assert!(matches!(again, Answer::Refused(refusal) if refusal.code() == "policy.quarantined"));
}

#[test]
fn a_denied_job_leaves_its_finding_for_somebody_to_decide() {
    let mut world = asking();
    let job = held(&mut world, 1, scripted("a"));

    review(&mut world, job, false);

    assert_eq!(world.outcome_of(job).map(|(state, _)| state), Some(JobState::Cancelled));
    assert_eq!(findings(&world)[0].state, FindingState::Open);
}

#[test]
fn a_word_and_what_cannot_be_read_contradict_nothing() {
    let mut world = asking();

    submit(&mut world, 1, scripted("a"), &[Sign::Word, Sign::Unread]);

    assert_eq!(findings(&world), []);
}

#[test]
fn one_person_opens_no_more_findings_than_somebody_can_decide() {
    let mut world = World::with_nodes(&[2]);

    for key in 0..100 {
        submit(&mut world, key, scripted(&format!("{key}")), &[Sign::PoolClient]);
    }

    let found = findings(&world);
    assert_eq!(found.len(), 16);
    assert_eq!(found[15].images.len(), Finding::IMAGES);
    let refused =
        world.journal.iter().filter(|entry| matches!(entry.fact, Fact::SubmissionRefused(_)));
    assert_eq!(refused.count(), 100, "each refusal is a fact all the same");
}
