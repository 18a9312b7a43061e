//! What is sent, and how the end is waited for.

use repower_proto::v1::{JobState, JobSummary, Outcome, OutcomeKind, ShowJobReply, TaskSummary};
use tonic::Status;

use super::given::{Directives, given};
use super::*;
use crate::client::testing::{Script as Play, Stage};
use crate::jobfile::draft::{Draft, Program};
use crate::render::screen::Form;
use crate::render::testing::pages_of;

fn reply() -> SubmitReply {
    SubmitReply { job: 12, created: true, tasks: 32, ..SubmitReply::default() }
}

fn until(wait: bool) -> Until {
    if wait { Until::waiting() } else { Until::at_once() }
}

#[tokio::test]
async fn a_submission_whose_answer_was_lost_is_sent_again_under_the_same_key() {
    let lost = Err(Status::unavailable("the line broke"));
    let stage = Stage::serve(Play { submit: vec![lost, Ok(reply())], ..Play::default() }).await;
    let client = Client::connect(&stage.profile).await.expect("connected");
    let key = Uuid::new_v4();
    let request = SubmitRequest { key: key.as_bytes().to_vec(), spec: None };

    let got = send(&client, key, request.clone()).await.expect("submitted");

    assert_eq!(got, reply());
    assert_eq!(stage.look(|play| play.submitted.clone()), [request.clone(), request]);
}

#[tokio::test]
async fn what_the_scheduler_refuses_is_not_sent_again() {
    let refused = Err(Status::failed_precondition("class `pow-mining` is prohibited"));
    let stage = Stage::serve(Play { submit: vec![refused, Ok(reply())], ..Play::default() }).await;
    let client = Client::connect(&stage.profile).await.expect("connected");

    let failure = send(&client, Uuid::nil(), SubmitRequest::default()).await.expect_err("refused");

    assert_eq!(failure.message(), "class `pow-mining` is prohibited");
    assert_eq!(stage.look(|play| play.submitted.len()), 1);
}

#[tokio::test]
async fn waiting_goes_on_over_a_broken_stream_and_exits_as_the_job_did() {
    let job = |state: JobState| JobSummary {
        id: 12,
        state: state.into(),
        exit_code: 3,
        tasks: 32,
        failed: 1,
        ..JobSummary::default()
    };
    let first = vec![Ok(job(JobState::Running)), Err(Status::unavailable("the line broke"))];
    let second = vec![Ok(job(JobState::Running)), Ok(job(JobState::Failed))];
    let missing = TaskSummary {
        job: 12,
        index: 3,
        node: "rig-07".into(),
        outcome: Some(Outcome {
            kind: OutcomeKind::NotStarted.into(),
            detail: "./run: no such file".into(),
            ..Outcome::default()
        }),
        ..TaskSummary::default()
    };
    let show = ShowJobReply { failures: vec![missing], ..ShowJobReply::default() };
    let stage = Stage::serve(Play { watch: vec![first, second], show, ..Play::default() }).await;
    let client = Client::connect(&stage.profile).await.expect("connected");

    let (out, err, exit) = pages_of(Form::Table, async |screen| {
        finish(&client, screen, &until(true), &reply(), Uuid::nil()).await
    })
    .await;

    assert_eq!(out, "submitted job 12 (32 tasks)\n");
    assert_eq!(
        err,
        "job 12 failed after 0ms: 1 of 32 tasks failed, exit code 3\n\
         12.3 on rig-07: not started: ./run: no such file\n"
    );
    assert_eq!(exit.expect("waited").as_u8(), 3);
}

#[tokio::test]
async fn a_held_job_says_what_it_waits_for() {
    let stage = Stage::serve(Play::default()).await;
    let client = Client::connect(&stage.profile).await.expect("connected");
    let held = SubmitReply {
        hold: "class `hash-heavy` needs a review by a person".into(),
        hold_code: "policy.review".into(),
        ..reply()
    };

    let (_, err, _) = pages_of(Form::Table, async |screen| {
        finish(&client, screen, &until(false), &held, Uuid::nil()).await
    })
    .await;

    assert_eq!(err, "it waits: class `hash-heavy` needs a review by a person [policy.review]\n");
}

#[test]
fn the_command_line_wins_over_the_job_file_and_that_over_its_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("job.toml");
    std::fs::write(
        folder.path().join("run.sh"),
        "#!/bin/sh\n#REPOWER --cpus 1 --memory 1G --disk 1G\n",
    )
    .expect("written");
    std::fs::write(
        &file,
        "script = \"run.sh\"\ncommand = [\"a\"]\nmemory = \"2G\"\ndisk = \"2G\"\n",
    )
    .expect("written");

    let (program, said) = given(Some(&file), vec!["b".into()], Directives::Auto).expect("a job");
    let (_, silent) = given(Some(&file), Vec::new(), Directives::Off).expect("a job");

    let Program::Script(script, arguments) = program else { panic!("a script") };
    assert_eq!((script.name.as_str(), arguments), ("run.sh", vec!["b".to_owned()]));
    let shown = |draft: &Draft| {
        (
            draft.cpus.map(crate::jobfile::number::Cpus::as_milli),
            draft.memory.map(|size| size.as_bytes() >> 30),
        )
    };
    assert_eq!(shown(&said), (Some(1000), Some(2)));
    assert_eq!(shown(&silent), (None, Some(2)));
}

#[test]
fn a_job_file_without_anything_to_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("job.toml");
    std::fs::write(&file, "cpus = 1\n").expect("written");

    let error = given(Some(&file), Vec::new(), Directives::Auto).expect_err("nothing to run");

    assert!(error.to_string().ends_with("job.toml has neither `command` nor `script`"), "{error}");
}
