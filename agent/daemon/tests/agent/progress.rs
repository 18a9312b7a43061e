//! Tasks say how far they are, with real processes.

use std::path::Path;

use repower_agent::OnTerminate;
use repower_model::{Claim, Progress};
use repower_proto::v1::{AttemptRef, Isolation, JobSpec, OutcomeKind, StopReason, Stream};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{Agent, House};
use crate::image::Image;
use crate::killed::spawn;
use crate::orders::{shell, stop};

/// A line of shell that waits until a file is there.
fn wait_for(flag: &Path) -> String {
    format!("until [ -e {} ]; do sleep 0.02; done", flag.display())
}

/// Says `first`, and goes on until it is told to end.
fn says(first: &str) -> JobSpec {
    let line =
        format!("echo \"{first}\" > \"$REPOWER_PROGRESS\"; echo up; while :; do sleep 1; done");
    JobSpec { grace_ms: 1, ..shell(&line) }
}

fn line(progress: &repower_proto::v1::Progress) -> String {
    let progress = Progress::try_from(progress.clone()).unwrap();
    progress.claim.map(|claim: Claim| claim.to_string()).unwrap_or_default()
}

/// Waits until an attempt is heard to say this, over this link or a later one.
async fn heard(fake: &Fake, attempt: AttemptRef, claim: &str, link: usize) {
    fake.until(claim, |memory| {
        let mut claims = memory.claims.iter().filter(|(on, _)| *on >= link);
        let said = claims.any(|(_, claims)| {
            claims.processes.iter().any(|one| {
                one.attempt == Some(attempt)
                    && one.progress.as_ref().map(line).as_deref() == Some(claim)
            })
        });
        said.then_some(())
    })
    .await;
}

/// What an attempt has said last, and how many of its lines were bad, by the report before its end.
async fn last(fake: &Fake, attempt: AttemptRef) -> (String, u64) {
    fake.ended(attempt).await;
    let claimed = fake.memory().claimed(attempt).unwrap();
    (line(&claimed), claimed.bad_lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_task_says_is_told_while_it_runs_and_the_last_of_it_before_its_end() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let flag = house.folder.path().join("go");
    let text = format!(
        "echo '0.25 step=1/4' > \"$REPOWER_PROGRESS\"; {}; \
         echo oops >> \"$REPOWER_PROGRESS\"; printf '75%% step=3/4' >> \"$REPOWER_PROGRESS\"",
        wait_for(&flag)
    );

    let speaker = fake.run(1, shell(&text)).await;
    let silent = fake.run(2, shell("true")).await;
    heard(&fake, speaker, "0.25 step=1/4", 1).await;
    std::fs::write(&flag, "").unwrap();

    assert_eq!(last(&fake, speaker).await, ("0.75 step=3/4".to_owned(), 1));
    fake.ended(silent).await;
    assert_eq!(fake.memory().claimed(silent), None);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boxed_and_a_sealed_task_of_another_user_are_heard() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    for (job, level, ability) in
        [(1, Isolation::Boxed, "isolation.boxed"), (2, Isolation::Sealed, "isolation.sealed")]
    {
        if !can(&fake, ability) {
            continue;
        }
        let spec = JobSpec { project: "red".into(), isolation: level.into(), ..says("0.5") };
        let attempt = fake.run(job, spec).await;
        heard(&fake, attempt, "0.5", 1).await;
        fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
        assert_eq!(last(&fake, attempt).await, ("0.5".to_owned(), 0));
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_container_is_heard_also_as_another_user() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }
    let image = Image::new();

    for (job, isolation) in [(1, Isolation::Bare), (2, Isolation::Boxed)] {
        let spec = JobSpec {
            project: "red".into(),
            isolation: isolation.into(),
            image: image.name.clone(),
            ..says("0.5 file=3/6")
        };
        let attempt = fake.run(job, spec).await;
        heard(&fake, attempt, "0.5 file=3/6", 1).await;
        fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
        assert_eq!(last(&fake, attempt).await, ("0.5 file=3/6".to_owned(), 0));
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_agent_tells_again_what_was_said_and_goes_on_with_what_is_new() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    let flag = house.folder.path().join("go");
    let text = format!(
        "echo 0.25 >> \"$REPOWER_PROGRESS\"; {}; echo 0.5 >> \"$REPOWER_PROGRESS\"; \
         while :; do sleep 1; done",
        wait_for(&flag)
    );
    let attempt = fake.run(1, JobSpec { grace_ms: 1, ..shell(&text) }).await;
    heard(&fake, attempt, "0.25", 1).await;

    agent.kill();
    let agent =
        Agent::start(repower_agent::Options { on_terminate: OnTerminate::Stop, ..house.options() });

    heard(&fake, attempt, "0.25", 2).await;
    std::fs::write(&flag, "").unwrap();
    heard(&fake, attempt, "0.5", 2).await;
    // Also a link that breaks hears it again.
    fake.cut();
    heard(&fake, attempt, "0.5", 3).await;
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    assert_eq!(last(&fake, attempt).await.0, "0.5");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_claims_and_garbage_costs_one_message_a_look_and_fails_nothing() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let flag = house.folder.path().join("go");
    let flag = flag.display();
    let flood = format!(
        "until [ -e {flag} ]; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); \
         echo \"0.1 step=$i\"; done > \"$REPOWER_PROGRESS\"; done; echo \"1\" > \"$REPOWER_PROGRESS\""
    );
    let garbage = format!(
        "until [ -e {flag} ]; do head -c 100000 /dev/urandom; echo; sleep 0.01; done > \"$REPOWER_PROGRESS\"; \
         exit 3"
    );
    let pipe = "mkfifo \"$REPOWER_PROGRESS\"; echo up; exec sleep 1000";

    let flood = fake.run(1, shell(&flood)).await;
    let garbage = fake.run(2, shell(&garbage)).await;
    fake.until("three messages about the flood", |memory| {
        let of = |claims: &repower_proto::v1::Claims| {
            claims.processes.iter().filter(|one| one.attempt == Some(flood)).count()
        };
        let count: usize = memory.claims.iter().map(|(_, claims)| of(claims)).sum();
        (count >= 3).then_some(())
    })
    .await;
    std::fs::write(house.folder.path().join("go"), "").unwrap();

    assert_eq!(last(&fake, flood).await.0, "1");
    let ended = fake.ended(garbage).await.outcome.unwrap();
    assert_eq!((ended.kind(), ended.exit_code), (OutcomeKind::Exited, 3), "{ended:?}");
    assert_eq!(fake.ended(flood).await.outcome.unwrap().exit_code, 0);
    let said: Vec<i64> = {
        let memory = fake.memory();
        let told = memory.claims.iter().flat_map(|(_, claims)| claims.processes.clone());
        let told = told.filter(|one| one.attempt == Some(flood));
        told.filter_map(|one| Some(one.progress?.said_ms)).collect()
    };
    assert!(said.windows(2).all(|pair| pair[1] - pair[0] >= 1900), "{said:?}");

    // Nobody ever reads it, nobody is waited for, and the task is told what is wrong.
    let pipe = fake.run(3, JobSpec { grace_ms: 1, ..shell(pipe) }).await;
    fake.until("it to be up", |memory| {
        (!memory.output(pipe, Stream::Stdout).is_empty()).then_some(())
    })
    .await;
    heard(&fake, pipe, "", 1).await;
    fake.order(vec![stop(pipe, StopReason::Cancelled)]).await;
    assert_eq!(last(&fake, pipe).await, (String::new(), 1));
    let mistake = fake.memory().claimed(pipe).unwrap().mistake;
    assert_eq!(mistake, ".repower-progress is not a regular file");
    agent.stop().await.unwrap();
}
