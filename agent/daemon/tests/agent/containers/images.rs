//! Images that come, do not come, or are not there, and engines that do not work.

use repower_agent::Options;
use repower_proto::v1::{InputFile, JobSpec, OutcomeKind, Resources, StopReason};

use super::{World, boxed};
use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{Agent, House, gone, runs};
use crate::orders::{command, shell, stop};

/// A program that is called like an engine, says that it works and has no image but `here`, and does this with `pull`.
fn engine(house: &House, pull: &str) -> Options {
    let folder = house.folder.path().join("engine");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("podman");
    let text = format!(
        "#!/bin/sh\nfor word; do case \"$word\" in\n\
         info) exit 0;;\n\
         image) case \"$*\" in *localhost/here@*) exit 0;; esac; exit 1;;\n\
         ps) exit 0;;\npull) {pull};;\nesac; done\nexit 0\n"
    );
    std::fs::write(&program, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    Options { engine: Some(program), ..house.options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_or_an_image_that_is_not_there_is_told_with_what_to_do() {
    let Some(world) = World::new().await else { return };

    let missing = world.fake.run(1, world.inside(command(&["no-such-program"]))).await;
    let plain = world.fake.run(2, world.inside(command(&["/not-executable"]))).await;
    let digest = "0".repeat(64);
    let image = format!("localhost/repower-no-such-image@sha256:{digest}");
    let imageless = world.fake.run(3, JobSpec { image, ..command(&["true"]) }).await;
    let folder = JobSpec { working_folder: "/no/such/folder".into(), ..command(&["true"]) };
    let folder = world.fake.run(4, world.inside(folder)).await;
    let unseen = JobSpec { working_folder: "/root".into(), ..boxed(command(&["true"])) };
    let unseen = world.fake.run(5, world.inside(unseen)).await;

    for (attempt, words) in [
        (missing, "there is no such program"),
        (plain, "set its execute bit"),
        (imageless, "is not on this node and could not be fetched"),
        (folder, "the working folder /no/such/folder cannot be entered"),
        (unseen, "/root is not seen from a box"),
    ] {
        let outcome = world.outcome(attempt).await;
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{outcome:?}");
        assert!(outcome.detail.contains(words), "{outcome:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_while_its_image_comes_ends_at_once_and_so_does_the_pull() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let said = house.folder.path().join("pulls");
    let pull = format!("echo $$ >> {}; exec sleep 4322", said.display());
    let agent = Agent::start(engine(&house, &pull));
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }

    let image = format!("localhost/slow@sha256:{}", "0".repeat(64));
    let spec = JobSpec { image, time_limit_ms: 200, ..command(&["true"]) };
    let attempt = fake.run(1, spec).await;
    let pid = loop {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        if let Some(line) = text.strip_suffix('\n') {
            break line.parse().unwrap();
        }
        tokio::task::yield_now().await;
    };
    // The time limit counts from the start of the task, which has not come: another with the same limit meets it.
    let clock = JobSpec { time_limit_ms: 200, grace_ms: 1, ..command(&["sleep", "300"]) };
    let clock = fake.run(3, clock).await;
    assert_eq!(fake.ended(clock).await.outcome.unwrap().kind(), OutcomeKind::TimedOut);
    assert!(runs(pid) && fake.memory().ended(attempt).is_none());
    // It takes no slot.
    let resources = Resources { cpu_milli: 2000, ..Resources::default() };
    let whole = JobSpec { resources: Some(resources), ..command(&["true"]) };
    let other = fake.run(2, whole).await;
    assert_eq!(fake.ended(other).await.outcome.unwrap().exit_code, 0);
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    assert_eq!(fake.ended(attempt).await.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    fake.order(vec![crate::orders::forget(1)]).await;

    gone(pid).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_are_slow_to_come_hold_up_neither_files_nor_images_that_are_there() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let said = house.folder.path().join("pulls");
    let shared = house.folder.path().join("shared");
    std::fs::write(&shared, "hello").unwrap();
    let pull = format!("echo $$ >> {}; exec sleep 4323", said.display());
    let options = engine(&house, &pull);
    let agent = Agent::start(Options { shares: vec![house.folder.path().into()], ..options });
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }

    let image = |name: &str| format!("localhost/{name}@sha256:{}", "0".repeat(64));
    for job in 1..=4 {
        fake.run(job, JobSpec { image: image("slow"), ..command(&["true"]) }).await;
    }
    let pulls = loop {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if text.ends_with('\n') && pids.len() == 4 {
            break pids;
        }
        tokio::task::yield_now().await;
    };
    let url = format!("file://{}", shared.display());
    let input = InputFile { url, path: "x".into(), ..InputFile::default() };
    let spec = JobSpec { inputs: vec![input], ..shell("test \"$(cat x)\" = hello") };
    let files = fake.run(5, spec).await;
    let here = fake.run(6, JobSpec { image: image("here"), ..command(&["true"]) }).await;

    let outcome = fake.ended(files).await.outcome.unwrap();
    // However that ends: its image did not have to come.
    fake.ended(here).await;

    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    assert!(pulls.iter().all(|pid| runs(*pid)), "they still come");
    agent.stop().await.unwrap();
    for pid in pulls {
        gone(pid).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_fails_is_told_and_the_next_attempt_tries_again() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let pull = "echo 'Error: the registry is on fire' >&2; exit 125";
    let agent = Agent::start(engine(&house, pull));
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }

    for number in 1..3 {
        let image = format!("localhost/burning@sha256:{}", "0".repeat(64));
        let attempt = fake.run(number, JobSpec { image, ..command(&["true"]) }).await;
        let outcome = fake.ended(attempt).await.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted);
        assert!(outcome.detail.contains("(the registry is on fire)"), "{outcome:?}");
        assert!(outcome.detail.contains("check its name and digest"), "{outcome:?}");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_engine_does_not_work_says_that_it_cannot_have_containers() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let program = house.folder.path().join("podman");
    std::fs::write(&program, "#!/bin/sh\necho 'Error: no storage' >&2; exit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let agent = Agent::start(Options { engine: Some(program), ..house.options() });
    fake.linked().await;

    let inventory = fake.memory().hellos[0].inventory.clone().unwrap();
    assert!(!inventory.abilities.iter().any(|name| name.starts_with("container")));
    let image = format!("localhost/any@sha256:{}", "0".repeat(64));
    let attempt = fake.run(1, JobSpec { image, ..command(&["true"]) }).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert!(outcome.detail.contains("no Podman and no Docker"), "{outcome:?}");
    agent.stop().await.unwrap();
}
