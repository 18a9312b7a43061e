//! Approvals, and what a new policy does to jobs that were accepted under another.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::{Answer, Effect};
use repower_core::fact::Fact;
use repower_core::input::{Approve, Input, Submit};
use repower_core::plan::why;
use repower_core::policy::{DEFAULT, content_of};
use repower_core::refusal::Refusal;
use repower_model::{
    ApprovalId, Hash, JobId, JobSpec, Key, Mark, Sign, Span, StopReason, Timestamp,
};
use world::{World, array, attempt, job};

fn hashing() -> JobSpec {
    JobSpec { class: "hash-heavy".into(), project: "archive".into(), ..job() }
}

fn approval(world: &World, content: Option<Hash>) -> Approve {
    Approve {
        class: "hash-heavy".into(),
        project: Some("archive".into()),
        content,
        until: world.now + Span::from_secs(3600),
        by: "op".into(),
        reason: "deduplication of the archive".into(),
    }
}

fn approve(world: &mut World, asked: Approve) -> (ApprovalId, u64) {
    match world.turn(&Input::Approve(Box::new(asked))).unwrap().answer {
        Answer::Approval { id, jobs } => (id, jobs),
        other => panic!("no approval: {other:?}"),
    }
}

fn code(world: &World, job: JobId) -> &'static str {
    why(world.engine.state(), job, None, world.now).unwrap().reason.code()
}

fn adopt(world: &mut World, text: String) -> Answer {
    world.turn(&Input::Adopt { text, by: "op".into(), replaces: None }).unwrap().answer
}

fn marked(world: &mut World, spec: JobSpec, marks: Vec<Mark>) -> Answer {
    let key = Key([200; 16]);
    let submit = Submit {
        key,
        submitter: "ada".into(),
        spec,
        spec_hash: Hash([0; 32]),
        past: Vec::new(),
        marks,
        looked_by: None,
    };
    world.turn(&Input::Submit(Box::new(submit))).unwrap().answer
}

fn mark(sign: Sign) -> Mark {
    Mark { sign, place: "script".into(), detail: "something".into() }
}

#[test]
fn a_job_that_an_approval_covers_needs_no_review() {
    let mut world = World::with_nodes(&[4]);
    let asked = approval(&world, None);
    let (id, jobs) = approve(&mut world, asked);
    assert_eq!((id, jobs), (ApprovalId(1), 0));

    let covered = world.submit(hashing());
    let other = world.submit(JobSpec { project: "else".into(), ..hashing() });

    assert_eq!(world.schedule().len(), 1);
    assert_eq!(code(&world, other), "policy.review");
    let told = why(world.engine.state(), covered, None, world.now).unwrap().approved;
    let told = told.unwrap();
    assert!(told.contains("approval 1 of op") && told.contains("deduplication"), "{told}");
    let submitted = world.journal.iter().find_map(|entry| match &entry.fact {
        Fact::JobSubmitted(fact) if fact.job == covered => Some((fact.review, fact.approval)),
        _ => None,
    });
    assert_eq!(submitted, Some((false, Some(ApprovalId(1)))));
}

#[test]
fn an_approval_lets_go_what_waits_and_is_covered() {
    let mut world = World::with_nodes(&[4]);
    let (one, other) = (world.submit(hashing()), world.submit(hashing()));
    assert_eq!(world.schedule(), []);

    let asked = approval(&world, None);
    let (_, jobs) = approve(&mut world, asked);

    assert_eq!(jobs, 2);
    assert_eq!(world.schedule().len(), 2);
    let reviewed: Vec<_> = world
        .journal
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::JobReviewed { job, approval, .. } => Some((*job, *approval)),
            _ => None,
        })
        .collect();
    assert_eq!(reviewed, [(one, Some(ApprovalId(1))), (other, Some(ApprovalId(1)))]);
}

#[test]
fn an_approval_that_ends_before_the_job_starts_does_not_count() {
    let mut world = World::with_nodes(&[1]);
    let blocker = world.submit(job());
    world.schedule();
    let asked = approval(&world, None);
    approve(&mut world, asked);
    let waiting = world.submit(hashing());
    assert_eq!(world.schedule(), []);
    assert_eq!(code(&world, waiting), "resources.busy");
    let wake = world.engine.next_wake(world.now).unwrap();
    assert!(wake <= world.now + Span::from_secs(3600), "the end of the approval wakes the pass");

    world.wait(3_600_000);
    world.schedule();

    assert_eq!(code(&world, waiting), "policy.review");
    world.end(attempt(blocker, 0, 1), world::exited(0));
    assert_eq!(world.schedule(), [], "a free node changes nothing");
    let ended = world.journal.iter().any(|entry| {
        matches!(&entry.fact, Fact::ApprovalEnded { id: ApprovalId(1), by, .. } if by == "scheduler")
    });
    assert!(ended);
}

#[test]
fn what_has_started_under_an_approval_goes_on_after_its_end() {
    let mut world = World::with_nodes(&[1]);
    let asked = approval(&world, None);
    approve(&mut world, asked);
    let id =
        world.submit(JobSpec { class: "hash-heavy".into(), project: "archive".into(), ..array(2) });
    assert_eq!(world.schedule().len(), 1);

    world.wait(3_600_000);
    world.schedule();
    world.end(attempt(id, 0, 1), world::exited(0));

    assert_eq!(world.schedule().len(), 1, "the second task of a job that had started");
}

#[test]
fn a_revoked_approval_holds_what_has_not_started_and_needs_a_reason() {
    let mut world = World::with_nodes(&[1]);
    let asked = approval(&world, None);
    approve(&mut world, asked);
    world.submit(job());
    world.schedule();
    let id = world.submit(hashing());
    let end = |reason: &str| Input::Unapprove {
        id: ApprovalId(1),
        by: "op".into(),
        reason: reason.into(),
    };

    assert_eq!(world.turn(&end(" ")), Err(Refusal::ReasonMissing));
    world.turn(&end("the contract is over")).unwrap();

    assert_eq!(code(&world, id), "policy.review");
    assert_eq!(world.turn(&end("again")), Err(Refusal::ApprovalUnknown { id: ApprovalId(1) }));
}

#[test]
fn an_approval_for_a_digest_covers_that_content_alone() {
    let mut world = World::with_nodes(&[4]);
    let content = content_of(&hashing());
    let asked = approval(&world, content);
    approve(&mut world, asked);

    let same = world.submit(JobSpec { name: "other-name".into(), ..hashing() });
    let other = world.submit(JobSpec { command: vec!["false".into()], ..hashing() });

    world.schedule();
    assert_eq!((code(&world, same), code(&world, other)), ("task.on-node", "policy.review"));
}

#[test]
fn an_approval_that_cannot_be_is_refused_with_numbers() {
    let mut world = World::with_nodes(&[1]);
    let base = approval(&world, None);
    let mut refused = |change: &dyn Fn(&mut Approve)| {
        let mut asked = base.clone();
        change(&mut asked);
        world.turn(&Input::Approve(Box::new(asked))).unwrap_err().code()
    };

    assert_eq!(refused(&|asked| asked.reason = " ".into()), "review.reason-missing");
    assert_eq!(refused(&|asked| asked.class = "hash-heavi".into()), "class.unknown");
    assert_eq!(refused(&|asked| asked.class = "pow-mining".into()), "class.prohibited");
    assert_eq!(refused(&|asked| asked.class = "ai-training".into()), "approval.not-needed");
    assert_eq!(refused(&|asked| asked.until = Timestamp::from_millis(1)), "approval.over");
    let years = Span::from_secs(2 * 366 * 86_400);
    assert_eq!(refused(&|asked| asked.until = asked.until + years), "approval.too-long");
    assert_eq!(refused(&|asked| asked.project = Some("  ".into())), "job.bad-text");
}

#[test]
fn what_is_prohibited_by_now_does_not_start_and_goes_when_it_is_allowed_again() {
    let mut world = World::with_nodes(&[1]);
    let render = || JobSpec { class: "render-transcode".into(), ..job() };
    let running = world.submit(render());
    let placed = world.schedule();
    world.started(placed[0].0);
    let waiting = world.submit(render());

    let answer = adopt(&mut world, forbidding_render());

    assert_eq!(answer, Answer::Policy { changed: true, held: 2, running: 1 });
    assert_eq!(code(&world, waiting), "policy.barred");
    world.end(attempt(running, 0, 1), world::exited(0));
    assert_eq!(world.schedule(), []);
    adopt(&mut world, DEFAULT.to_owned());
    assert_eq!(world.schedule().len(), 1, "the first decision still stands");
}

fn forbidding_render() -> String {
    DEFAULT.replace("default-2", "strict-1").replace(
        "[class.render-transcode]\ntier = \"permitted\"",
        "[class.render-transcode]\ntier = \"prohibited\"\nentry = \"house rule 1\"",
    )
}

#[test]
fn what_is_on_a_node_and_has_not_started_is_taken_back() {
    let mut world = World::with_nodes(&[1]);
    world.submit(JobSpec { class: "render-transcode".into(), ..job() });
    let placed = world.schedule();
    world.owed.clear();

    adopt(&mut world, forbidding_render());

    let (attempt, node) = placed[0];
    let stop = Effect::Stop { node, rank: attempt.rank(0), why: StopReason::Recalled };
    assert_eq!(world.owed, [stop]);
}

#[test]
fn a_class_that_comes_under_review_holds_what_has_not_started() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    world.schedule();
    let render = world.submit(JobSpec { class: "render-transcode".into(), ..job() });
    let text = DEFAULT.replace("default-2", "strict-1").replace(
        "[class.render-transcode]\ntier = \"permitted\"",
        "[class.render-transcode]\ntier = \"review\"",
    );

    let answer = adopt(&mut world, text);

    assert_eq!(answer, Answer::Policy { changed: true, held: 1, running: 0 });
    assert_eq!(code(&world, render), "policy.review");
    adopt(&mut world, DEFAULT.to_owned());
    assert_eq!(code(&world, render), "policy.review", "only a person ends a question to a person");
}

#[test]
fn a_class_that_is_gone_starts_nothing() {
    let mut world = World::with_nodes(&[1]);
    world.submit(job());
    world.schedule();
    let id = world.submit(JobSpec { class: "software-build".into(), ..job() });

    adopt(&mut world, DEFAULT.replace("[class.software-build]", "[class.builds]"));

    assert_eq!(code(&world, id), "policy.barred");
}

#[test]
fn what_the_scan_finds_is_refused_in_the_ledger_or_held_by_policy() {
    let mut world = World::with_nodes(&[4]);

    let refused = marked(&mut world, job(), vec![mark(Sign::PoolClient)]);

    assert!(
        matches!(&refused, Answer::Refused(one) if one.code() == "content.pool-client"),
        "{refused:?}"
    );
    let facts = world.journal.iter().map(|entry| &entry.fact);
    let logged = facts.rev().find(|fact| !matches!(fact, Fact::FindingOpened(_)));
    assert!(matches!(
        logged,
        Some(Fact::SubmissionRefused(one))
            if one.code == "content.pool-client" && one.marks.len() == 1
    ));
    adopt(&mut world, DEFAULT.replace("on-hit = \"refuse\"", "on-hit = \"review\""));
    let Answer::Job { job: held, hold, .. } =
        marked(&mut world, hashing(), vec![mark(Sign::PoolClient)])
    else {
        panic!("not accepted")
    };
    assert_eq!(hold.unwrap().code(), "content.review");
    let asked = approval(&world, None);
    assert_eq!(approve(&mut world, asked).1, 0, "not by an approval of the whole class");
    let content = content_of(&hashing());
    let asked = approval(&world, content);
    assert_eq!(approve(&mut world, asked).1, 1, "but by one of what it runs");
    world.schedule();
    assert_eq!(code(&world, held), "task.on-node");
}

#[test]
fn a_job_looked_at_by_the_words_of_another_policy_is_looked_at_again() {
    let mut world = World::with_nodes(&[1]);
    let submit = Submit {
        key: Key([201; 16]),
        submitter: "ada".into(),
        spec: job(),
        spec_hash: Hash([0; 32]),
        past: Vec::new(),
        marks: Vec::new(),
        looked_by: Some(Hash([9; 32])),
    };

    let refused = world.turn(&Input::Submit(Box::new(submit))).unwrap_err();

    assert_eq!(refused.code(), "policy.changed");
}

#[test]
fn a_digest_of_the_policys_list_is_refused_wherever_it_is() {
    let mut world = World::with_nodes(&[1]);
    let script = b"#!/bin/sh\necho hello\n".to_vec();
    let digest = repower_core::policy::hash_of(&script);
    let list = format!("[admission]\nknown-digests = [\"{digest}\"]\n");
    adopt(&mut world, DEFAULT.replace("[admission]\n", &list));

    let refused = world.try_submit(JobSpec { script, ..job() }).unwrap().answer;

    assert!(matches!(&refused, Answer::Refused(one) if one.code() == "content.known-digest"));
    for image in [format!("localhost/tools@sha256:{digest}"), format!("sha256:{digest}")] {
        let refused = world.try_submit(JobSpec { image, ..job() }).unwrap().answer;
        assert!(matches!(&refused, Answer::Refused(one) if one.code() == "content.known-digest"));
        let refusals = world.journal.iter().rev().filter_map(|entry| match &entry.fact {
            Fact::SubmissionRefused(fact) => Some(fact),
            _ => None,
        });
        let fact = refusals.into_iter().next().unwrap();
        assert_eq!(
            (fact.marks[0].sign, fact.marks[0].place.as_str()),
            (Sign::KnownDigest, "image")
        );
    }
}

#[test]
fn what_cannot_be_looked_into_is_refused_however_many_words_stand_before_it() {
    let mut world = World::with_nodes(&[1]);
    let strict = "[admission]\non-unread = \"refuse\"\n";
    let text = DEFAULT.lines().filter(|line| !line.starts_with("on-unread"));
    let text = text.collect::<Vec<_>>().join("\n").replace("[admission]\n", strict);
    adopt(&mut world, text);
    let mut marks = vec![mark(Sign::Word); Mark::MOST];
    marks.push(mark(Sign::Unread));

    let refused = marked(&mut world, job(), marks);

    assert!(
        matches!(&refused, Answer::Refused(one) if one.code() == "content.unread"),
        "{refused:?}"
    );
}

#[test]
fn a_policy_replaces_only_the_one_that_it_was_compared_with() {
    let mut world = World::with_nodes(&[1]);
    let hash = |world: &World| world.engine.state().policy.as_ref().unwrap().0.hash;
    let compared = hash(&world);
    adopt(&mut world, format!("{DEFAULT}\n# somebody else was faster\n"));
    let text = format!("{DEFAULT}\n# mine\n");
    let with = |replaces| Input::Adopt { text: text.clone(), by: "op".into(), replaces };

    let refused = world.turn(&with(Some(compared))).unwrap_err();

    assert_eq!(refused.code(), "policy.replaced");
    let in_force = Some(hash(&world));
    assert!(matches!(
        world.turn(&with(in_force)).unwrap().answer,
        Answer::Policy { changed: true, .. }
    ));
}

#[test]
fn what_a_policy_holds_is_told_though_it_lets_others_go() {
    let mut world = World::with_nodes(&[]);
    let class = |tier: &str, other: &str| {
        format!(
            "policy-version = \"{tier}-{other}\"\n[class.a]\ntier = \"{tier}\"\nentry = \"x\"\n\
             [class.b]\ntier = \"{other}\"\nentry = \"x\"\n"
        )
    };
    adopt(&mut world, class("permitted", "permitted"));
    for name in ["a", "b"] {
        world.submit(JobSpec { class: name.into(), ..job() });
    }

    let first = adopt(&mut world, class("prohibited", "permitted"));
    let second = adopt(&mut world, class("permitted", "prohibited"));

    for answer in [first, second] {
        assert!(matches!(answer, Answer::Policy { held: 1, .. }), "{answer:?}");
    }
}
