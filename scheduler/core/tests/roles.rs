//! What a submitter may and what takes an operator, where the engine looks at whose it is.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one answer out of many")]

mod world;

use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::fact::{Entry, Fact};
use repower_core::input::{Approve, Decide, Enter, Input, Noticed, Report};
use repower_core::policy::hash_of;
use repower_core::refusal::Refusal;
use repower_core::state::State;
use repower_model::{
    FindingId, FindingState, Hash, Image, JobId, JobSpec, Role, Span, TaskId, Timestamp, TokenId,
    TokenKind, Verdict,
};
use world::{World, job};

/// Makes a token for a person.
fn token(world: &mut World, name: &str, role: Role) -> TokenId {
    let issue = Input::Issue {
        kind: TokenKind::Person,
        role: Some(role),
        name: name.into(),
        hash: hash_of(name.as_bytes()),
        expires: None,
        by: "admin".into(),
    };
    match world.turn(&issue).unwrap().answer {
        Answer::Token(id) => id,
        other => panic!("no token: {other:?}"),
    }
}

fn role(state: &State, name: &str) -> Option<Role> {
    state.person_by_hash(&hash_of(name.as_bytes()), state.now).and_then(|token| token.role)
}

/// A job that runs, and a finding about it.
fn noticed(world: &mut World) -> JobId {
    let id = world.submit(job());
    let (attempt, node) = world.schedule()[0];
    world.started(attempt);
    let verdict = Verdict {
        rule: "registers.rounding-modes".into(),
        version: 1,
        mechanism: "registers".into(),
        tier: 1,
        detail: "4 modes".into(),
        first_seen: world.now,
        last_seen: world.now,
        times: 2,
    };
    let own = Image { digest: Hash([7; 32]), path: "tool".into(), shared: false };
    let noticed = Noticed {
        rank: attempt.rank(0),
        verdicts: vec![verdict],
        images: vec![own],
        evidence: None,
    };
    let report = Report::Noticed(Box::new(noticed));
    world.turn(&Input::Report { node, report }).unwrap();
    id
}

fn decide(world: &mut World, by: &str, role: Role, state: FindingState) -> Result<(), Refusal> {
    let (finding, by, reason) = (FindingId(1), by.to_owned(), "I have looked".to_owned());
    let asked = Decide { finding, state, by, role, reason, quarantine: false };
    world.turn(&Input::Decide(Box::new(asked))).map(drop)
}

#[test]
fn the_role_of_a_token_is_what_its_fact_says_also_after_a_replay() {
    let mut world = World::with_nodes(&[1]);
    token(&mut world, "ada", Role::Submitter);
    token(&mut world, "mia", Role::Operator);
    // A name gives nobody a role.
    token(&mut world, "admin", Role::Submitter);

    let mut again = Engine::new();
    world.journal.iter().for_each(|entry| again.apply(entry));

    for state in [world.engine.state(), again.state()] {
        let roles = ["ada", "mia", "admin"].map(|name| role(state, name));
        assert_eq!(roles, [Some(Role::Submitter), Some(Role::Operator), Some(Role::Submitter)]);
    }
    assert!(again.state().tokens.values().all(|one| one.is_person() == one.role.is_some()));
}

#[test]
fn a_token_of_before_there_were_roles_is_an_operators_only_if_it_is_admins() {
    let mut engine = Engine::new();
    for (seq, name) in (0..).zip(["admin", "ada"]) {
        let fact = Fact::TokenIssued {
            id: TokenId(seq + 1),
            kind: TokenKind::Person,
            role: None,
            name: name.into(),
            hash: hash_of(name.as_bytes()),
            expires: None,
            by: "scheduler".into(),
        };
        engine.apply(&Entry { seq, at: Timestamp::from_millis(1), fact });
    }

    let roles = ["admin", "ada"].map(|name| role(engine.state(), name));

    assert_eq!(roles, [Some(Role::Operator), Some(Role::Submitter)]);
}

#[test]
fn a_job_is_cancelled_and_entered_by_its_submitter_and_by_operators() {
    let mut world = World::with_nodes(&[2]);
    let id = world.submit(job());
    let running = world.schedule()[0].0;
    world.started(running);
    let (tasks, task) = (None, TaskId { job: id, index: 0 });
    let asks = |by: &str, role| {
        let (by, reason) = (by.to_owned(), String::new());
        let (command, rank) = (vec!["sh".to_owned()], 0);
        [
            Input::Enter(Box::new(Enter { task, rank, by: by.clone(), role, command })),
            Input::GiveUp {
                job: id,
                tasks: tasks.clone(),
                by: by.clone(),
                role,
                reason: reason.clone(),
            },
            Input::Cancel { job: id, tasks: tasks.clone(), by, role, reason },
        ]
    };

    for input in asks("eve", Role::Submitter) {
        let refused = world.turn(&input).unwrap_err();
        let (owner, by) = ("ada".to_owned(), "eve".to_owned());
        assert_eq!(refused, Refusal::NotYours { job: id, owner, by });
    }
    for (by, role) in [("ada", Role::Submitter), ("mia", Role::Operator)] {
        for input in asks(by, role).into_iter().step_by(2) {
            let mut copy = Engine::from_state(world.engine.state().clone());
            copy.turn(&input, world.now).unwrap();
        }
    }
}

#[test]
fn findings_are_decided_by_operators_and_appealed_by_whoever_submitted_the_job() {
    let mut world = World::with_nodes(&[1]);
    noticed(&mut world);

    for state in [FindingState::UnderReview, FindingState::Dismissed, FindingState::Confirmed] {
        let refused = decide(&mut world, "ada", Role::Submitter, state).unwrap_err();
        let what = "decide about findings";
        assert_eq!(refused, Refusal::OperatorsOnly { what, by: "ada".into() });
    }
    decide(&mut world, "mia", Role::Operator, FindingState::Confirmed).unwrap();
    let other = decide(&mut world, "eve", Role::Submitter, FindingState::Appealed).unwrap_err();
    decide(&mut world, "ada", Role::Submitter, FindingState::Appealed).unwrap();

    let what = "appeal findings about what others have submitted";
    assert_eq!(other, Refusal::OperatorsOnly { what, by: "eve".into() });
    assert!(other.hint().unwrap().contains("repower token user NAME --operator"));
}

#[test]
fn everybody_revokes_what_is_in_their_own_name_and_operators_all() {
    let mut world = World::with_nodes(&[1]);
    let (own, other) =
        (token(&mut world, "ada", Role::Submitter), token(&mut world, "mia", Role::Operator));
    let join = *world.engine.state().tokens.keys().next().unwrap();
    let mut revoke = |id, by: &str, role| world.turn(&Input::Revoke { id, by: by.into(), role });

    for id in [other, join] {
        let refused = revoke(id, "ada", Role::Submitter).unwrap_err();
        let what = "revoke tokens of others";
        assert_eq!(refused, Refusal::OperatorsOnly { what, by: "ada".into() });
    }
    revoke(own, "ada", Role::Submitter).unwrap();
    for id in [other, join] {
        revoke(id, "mia", Role::Operator).unwrap();
    }

    assert!(world.engine.state().tokens.is_empty());
}

fn review(world: &mut World, job: JobId, approve: bool, by: &str) -> Result<(), Refusal> {
    let (by, reason) = (by.to_owned(), "I have read it".to_owned());
    world.turn(&Input::Review { job, approve, by, reason }).map(drop)
}

fn own() -> Refusal {
    Refusal::OwnWork { by: "ada".into(), other: "mia".into() }
}

/// A job that waits until somebody has looked.
fn questioned() -> JobSpec {
    JobSpec { class: "hash-heavy".into(), ..job() }
}

#[test]
fn nobody_approves_a_job_of_their_own_while_another_operator_could() {
    let mut world = World::with_nodes(&[1]);
    token(&mut world, "ada", Role::Operator);
    let (alone, first, second) =
        (world.submit(questioned()), world.submit(questioned()), world.submit(questioned()));

    review(&mut world, alone, true, "ada").unwrap();
    let mia = token(&mut world, "mia", Role::Operator);
    let refused = review(&mut world, first, true, "ada").unwrap_err();
    // Who does not want their own job ends it.
    review(&mut world, second, false, "ada").unwrap();
    world.turn(&Input::Revoke { id: mia, by: "ada".into(), role: Role::Operator }).unwrap();
    review(&mut world, first, true, "ada").unwrap();

    assert_eq!(refused, own());
}

#[test]
fn an_approval_of_ones_own_does_not_cover_ones_own_job_while_another_operator_could() {
    let mut world = World::with_nodes(&[1]);
    token(&mut world, "ada", Role::Operator);
    token(&mut world, "mia", Role::Operator);
    let approve = |world: &mut World, by: &str| {
        let asked = Approve {
            class: "hash-heavy".into(),
            project: None,
            content: None,
            until: world.now + Span::from_secs(3600),
            by: by.into(),
            reason: "contract 7".into(),
        };
        world.turn(&Input::Approve(Box::new(asked))).unwrap().answer
    };
    let waits = world.submit(questioned());

    let own = approve(&mut world, "ada");
    let later = world.submit(questioned());
    let held = [waits, later].map(|job| world.engine.state().jobs[&job].review);
    let other = approve(&mut world, "mia");

    assert!(matches!(own, Answer::Approval { jobs: 0, .. }), "{own:?}");
    assert_eq!(held, [true, true]);
    assert!(matches!(other, Answer::Approval { jobs: 2, .. }), "{other:?}");
}

#[test]
fn nobody_decides_about_a_finding_about_their_own_job_while_another_operator_could() {
    let mut world = World::with_nodes(&[1]);
    token(&mut world, "ada", Role::Operator);
    token(&mut world, "mia", Role::Operator);
    noticed(&mut world);

    decide(&mut world, "ada", Role::Operator, FindingState::UnderReview).unwrap();
    for state in [FindingState::Confirmed, FindingState::Dismissed] {
        assert_eq!(decide(&mut world, "ada", Role::Operator, state), Err(own()));
    }
    decide(&mut world, "mia", Role::Operator, FindingState::Dismissed).unwrap();
}

#[test]
fn nobody_releases_alone_what_is_in_quarantine_for_a_job_of_their_own() {
    let mut world = World::with_nodes(&[1]);
    token(&mut world, "ada", Role::Operator);
    token(&mut world, "mia", Role::Operator);
    noticed(&mut world);
    world.decide(1, FindingState::Confirmed).unwrap();
    let forbidden = world.engine.state().findings.forbidden();
    let digest = *forbidden.keys().next().expect("its job ran a program of its own");
    let (by, reason) = ("ada".to_owned(), "it is mine".to_owned());

    let release = Input::Release { digest, by: by.clone(), reason: reason.clone() };
    let taken = Input::Quarantine { digest, by, reason };

    assert_eq!(world.turn(&release).unwrap_err(), own());
    assert_eq!(world.turn(&taken).unwrap_err(), own());
    let reason = "I have looked again".to_owned();
    world.turn(&Input::Release { digest, by: "mia".into(), reason }).unwrap();
}
