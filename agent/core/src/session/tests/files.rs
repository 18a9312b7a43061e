//! Inputs that come before an attempt may wait for its turn, outputs that go after its process has ended.

use repower_model::{
    Artefact, Checkpoint, Hash, InputFile, JobId, JobSpec, Keep, Outcome, Source, StopReason,
    Stored,
};

use super::{World, attempt, spec};
use crate::{Action, Input, Report, Status};

fn with_inputs() -> JobSpec {
    let source = Source::Stored { digest: Hash([7; 32]), bytes: 7 };
    let input = InputFile { source, path: "data".into(), unpack: false, executable: false };
    JobSpec { inputs: vec![input], ..spec() }
}

fn with_outputs(keep_outputs: Keep) -> JobSpec {
    JobSpec { outputs: vec!["out".into()], keep_outputs, ..spec() }
}

/// Which jobs are to be staged, which processes to be collected, and which folders given up.
fn asked(world: &mut World) -> Vec<String> {
    let word = |action| match action {
        Action::Stage(definition) => Some(format!("stage {}", definition.job)),
        Action::Collect { attempt, .. } => Some(format!("collect {attempt}")),
        Action::Discard(attempt) => Some(format!("discard {attempt}")),
        Action::Launch { attempt, .. } => Some(format!("launch {attempt}")),
        Action::Restore { attempt, .. } => Some(format!("restore {attempt}")),
        Action::Save(attempt) => Some(format!("save {attempt}")),
        Action::Release(attempt) => Some(format!("release {attempt}")),
        Action::Signal { .. }
        | Action::DropCheckpoint(_)
        | Action::Freeze(_)
        | Action::Thaw(_)
        | Action::CutEgress(_)
        | Action::MendEgress(_)
        | Action::CloseOutput { .. }
        | Action::ResumeReading
        | Action::ForgetJob(_) => None,
    };
    world.actions().into_iter().filter_map(word).collect()
}

fn collected(world: &mut World, index: u32) {
    let artefact = Artefact { path: "out".into(), bytes: 3, digest: Hash([3; 32]) };
    let (artefacts, missing) = (vec![artefact], Vec::new());
    world.tell(Input::Collected { attempt: attempt(index), artefacts, missing });
}

#[test]
fn inputs_come_once_for_all_tasks_of_a_job_and_then_they_queue() {
    let mut world = World::with(with_inputs());

    world.start_all(0..3);
    assert_eq!(asked(&mut world), ["stage 1"]);
    world.tell(Input::Staged(JobId(1)));
    assert_eq!(asked(&mut world), ["launch 1.0#1", "launch 1.1#1"], "two cpus hold two tasks");
    world.start(3);

    assert_eq!(asked(&mut world), [""; 0], "what is here is here for all that come later");
}

#[test]
fn others_do_not_wait_for_the_inputs_of_a_job() {
    let mut world = World::with(with_inputs());
    world.define(2, spec());

    world.start_all(0..2);
    let other = repower_model::TaskId { job: JobId(2), index: 0 };
    let other = repower_model::AttemptId { task: other, number: 1 };
    world.tell(Input::Start {
        attempt: other,
        alternative: None,
        rendezvous: None,
        checkpoint: None,
    });

    assert_eq!(asked(&mut world), ["stage 1", "launch 2.0#1"]);
}

#[test]
fn attempts_whose_inputs_cannot_come_end_and_the_next_one_tries_again() {
    let mut world = World::with(with_inputs());
    world.start_all(0..2);
    asked(&mut world);

    world.tell(Input::NotStaged { job: JobId(1), detail: "no such file".into() });

    let outcome = Outcome::NotStarted { detail: "no such file".into() };
    let ends = [(attempt(0), outcome.clone()), (attempt(1), outcome)];
    assert_eq!(world.outcomes(), ends);
    world.start(2);
    assert_eq!(asked(&mut world), ["stage 1"]);
}

#[test]
fn an_attempt_that_waits_for_inputs_is_given_back_or_cancelled_at_once() {
    let mut world = World::with(with_inputs());
    world.start_all(0..2);

    world.stop(attempt(0), StopReason::Recalled);
    world.stop(attempt(1), StopReason::Cancelled);

    let ends = [(attempt(0), Outcome::Recalled), (attempt(1), Outcome::Cancelled)];
    assert_eq!(world.outcomes(), ends);
    asked(&mut world);
    world.tell(Input::Staged(JobId(1)));
    assert_eq!(asked(&mut world), [""; 0]);
}

#[test]
fn outputs_go_after_the_end_of_the_process_while_the_next_one_runs() {
    let mut world = World::with(with_outputs(Keep::Always));
    world.run(0);
    world.start_all(1..3);
    asked(&mut world);

    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(asked(&mut world), ["collect 1.0#1", "launch 1.2#1"]);
    assert!(world.outcomes().is_empty(), "it has not ended before its outputs are there");
    assert!(!world.session.is_idle());
    collected(&mut world, 0);

    assert_eq!(asked(&mut world), ["discard 1.0#1"]);
    let (_, reports) = world.sent().unwrap();
    let is_kept =
        |report: &Report| matches!(report, Report::Kept { artefacts, .. } if artefacts.len() == 1);
    assert!(is_kept(&reports[0]), "{reports:?}");
    assert!(matches!(reports[1], Report::Ended { outcome: Outcome::Exited { code: 0 }, .. }));
}

#[test]
fn outputs_are_brought_back_after_the_ends_that_the_job_names() {
    for (keep, code, wanted) in [
        (Keep::Always, 0, true),
        (Keep::Always, 1, true),
        (Keep::OnSuccess, 0, true),
        (Keep::OnSuccess, 1, false),
        (Keep::OnFailure, 0, false),
        (Keep::OnFailure, 1, true),
    ] {
        let mut world = World::with(with_outputs(keep));
        world.run(0);

        world.exit(attempt(0), Status::Code(code), true);

        let word = if wanted { "collect 1.0#1" } else { "discard 1.0#1" };
        assert_eq!(asked(&mut world), [word], "{keep:?} {code}");
        assert_eq!(world.outcomes().len(), usize::from(!wanted));
    }
}

#[test]
fn an_attempt_that_was_given_up_brings_nothing_back() {
    let mut world = World::with(with_outputs(Keep::Always));
    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);
    asked(&mut world);
    world.sent();

    world.stop(attempt(0), StopReason::Cancelled);
    assert_eq!(asked(&mut world), [""; 0], "it has ended by itself before");
    world.stop(attempt(0), StopReason::Stale);

    assert_eq!(asked(&mut world), ["discard 1.0#1"]);
    collected(&mut world, 0);
    assert!(world.sent().is_none());
    assert!(world.session.is_idle());
}

/// A job whose attempts hand on what they save, and that may fail once.
fn with_checkpoint() -> JobSpec {
    let retries = repower_model::Retries { user: 1, system: 20 };
    JobSpec { checkpoint: true, retries, ..spec() }
}

/// What was reported since the last look.
fn reports(world: &mut World) -> Vec<Report> {
    world.sent().map(|(_, reports)| reports).unwrap_or_default()
}

fn stored() -> Stored {
    Stored { digest: Hash([5; 32]), bytes: 5 }
}

#[test]
fn an_attempt_waits_until_what_was_saved_before_is_here_and_for_the_inputs_too() {
    let mut world = World::with(JobSpec { checkpoint: true, ..with_inputs() });
    let saved = Some(Checkpoint { number: 3, stored: stored() });
    let plain = attempt(0);

    world.tell(Input::Start {
        attempt: plain.attempt,
        alternative: None,
        rendezvous: None,
        checkpoint: saved,
    });
    let asked_first = world.actions();
    world.tell(Input::Restored(plain));
    let before_inputs = asked(&mut world);
    world.tell(Input::Staged(JobId(1)));

    assert!(asked_first.contains(&Action::Restore { attempt: plain, checkpoint: saved }));
    assert_eq!(before_inputs, [""; 0]);
    assert_eq!(asked(&mut world), ["launch 1.0#1"]);
}

#[test]
fn what_an_attempt_has_saved_is_brought_to_the_store_before_it_is_over() {
    let mut world = World::with(with_checkpoint());
    world.start(0);
    world.tell(Input::Restored(attempt(0)));
    world.tell(Input::Started { attempt: attempt(0) });
    world.actions();

    world.exit(attempt(0), Status::Code(7), true);
    let while_it_goes = (asked(&mut world), reports(&mut world).len());
    world.tell(Input::Saved { attempt: attempt(0), kept: Ok(stored()) });

    assert_eq!(while_it_goes, (vec!["save 1.0#1".to_owned()], 1));
    assert_eq!(asked(&mut world), ["release 1.0#1", "discard 1.0#1"]);
    let reports = reports(&mut world);
    let saved = Report::Saved { attempt: attempt(0), kept: Ok(stored()) };
    assert_eq!(reports[reports.len() - 2], saved);
    let Report::Ended { outcome, .. } = &reports[reports.len() - 1] else { panic!("{reports:?}") };
    assert_eq!(*outcome, Outcome::Exited { code: 7 });
}

#[test]
fn a_checkpoint_that_cannot_be_kept_costs_no_exit_code() {
    let mut world = World::with(with_checkpoint());
    world.start(0);
    world.tell(Input::Restored(attempt(0)));
    world.tell(Input::Started { attempt: attempt(0) });

    world.exit(attempt(0), Status::Code(7), true);
    world.tell(Input::Saved { attempt: attempt(0), kept: Err("the disk is full".into()) });

    let reports = reports(&mut world);
    let Some(Report::Ended { outcome, .. }) = reports.last() else { panic!("{reports:?}") };
    assert_eq!(*outcome, Outcome::Exited { code: 7 });
}

#[test]
fn nothing_is_saved_of_what_is_done_or_will_not_be_tried_again() {
    let once = JobSpec { checkpoint: true, ..spec() };
    for (spec, code) in [(with_checkpoint(), 0), (once, 7)] {
        let mut world = World::with(spec);
        world.start(0);
        world.tell(Input::Restored(attempt(0)));
        world.tell(Input::Started { attempt: attempt(0) });
        world.actions();

        world.exit(attempt(0), Status::Code(code), true);

        assert_eq!(asked(&mut world), ["release 1.0#1"]);
    }
}
