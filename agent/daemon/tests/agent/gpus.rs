//! Tasks are told which GPUs they have, and can use those only.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use repower_agent::Options;
use repower_proto::v1::{Extra, Isolation, JobSpec, OutcomeKind, Resources, Stream};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{Agent, House, PROGRAM};
use crate::image::Image;
use crate::memory::Memory;
use crate::orders::{attempt, define, shell, start, start_by};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_ask_for_gpus_are_told_their_numbers_and_others_see_none() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let extras = [("gpu".to_owned(), 3)].into_iter().collect();
    let agent = Agent::start(Options { extras, ..house.options() });
    let asks = |count| {
        let extras = vec![Extra { name: "gpu".into(), amount: count }];
        let resources = Some(Resources { extras, ..Resources::default() });
        let line = "echo \"$CUDA_VISIBLE_DEVICES;$HIP_VISIBLE_DEVICES;$ROCR_VISIBLE_DEVICES\"; read never < $PWD/pipe";
        let spec = shell(&format!("mkfifo pipe; {line}"));
        JobSpec { resources, ..spec }
    };

    let none = fake.run(3, shell("echo \"<$CUDA_VISIBLE_DEVICES>\"")).await;
    fake.ended(none).await;
    let (two, one) = (fake.run(1, asks(2)).await, fake.run(2, asks(1)).await);
    let said = |attempt| {
        let whole = move |memory: &mut Memory| {
            let said = memory.output(attempt, Stream::Stdout);
            said.ends_with(b"\n").then(|| String::from_utf8(said).unwrap())
        };
        fake.until("what a task says", whole)
    };

    let both = [said(two).await, said(one).await];
    let all = |numbers: &str| format!("{numbers};{numbers};{numbers}\n");
    assert!(both == [all("0,1"), all("2")] || both == [all("1,2"), all("0")], "{both:?}");
    assert_eq!(said(none).await, "<>\n");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_what_the_alternative_says_by_which_it_was_placed() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let extras = [("gpu".to_owned(), 2)].into_iter().collect();
    let agent = Agent::start(Options { extras, ..house.options() });
    let amounts = |cpu_milli, memory_bytes, gpus| {
        let extras = vec![Extra { name: "gpu".into(), amount: gpus }];
        Resources { cpu_milli, memory_bytes, extras, ..Resources::default() }
    };
    let spec = JobSpec {
        resources: Some(amounts(2000, 64 << 20, 1)),
        alternatives: vec![amounts(500, 32 << 20, 1), amounts(1000, 0, 2)],
        ..shell("echo $REPOWER_CPUS $REPOWER_MEMORY \"<$CUDA_VISIBLE_DEVICES>\"")
    };

    fake.order(vec![define(1, spec)]).await;
    let attempts: Vec<_> = (0..4).map(|index| attempt(1, index)).collect();
    let orders = (0..).zip(&attempts[..3]).map(|(number, attempt)| start_by(*attempt, number));
    // The last comes from a scheduler that does not say.
    fake.order(orders.chain([start(attempts[3])]).collect()).await;

    let mut said = Vec::new();
    for attempt in attempts {
        assert_eq!(fake.ended(attempt).await.outcome.unwrap().exit_code, 0);
        let text = fake.memory().output(attempt, Stream::Stdout);
        said.push(String::from_utf8(text).unwrap());
    }
    let one = |told: &str| ["0", "1"].map(|gpu| format!("{told} <{gpu}>\n"));
    assert!(one("2 67108864").contains(&said[0]), "{said:?}");
    assert!(one("0.5 33554432").contains(&said[1]), "{said:?}");
    assert_eq!(said[2], "1 0 <0,1>\n");
    assert_eq!(
        said[3], "2 67108864 <>\n",
        "it goes by the first choice, but nobody knows whose GPUs"
    );
    agent.stop().await.unwrap();
}

/// Gives a process a `/dev` of its own with two cards of AMD, of which a group may use the first, and starts a program.
const HOST: &str = include_str!("cards.sh");

/// What starts an executor on such a host.
fn on_host() -> Vec<OsString> {
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HOST];
    words.into_iter().chain([PROGRAM, "executor"]).map(Into::into).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_on_every_level_can_use_its_gpu_and_not_that_of_another() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    // For those who are not root.
    std::fs::set_permissions(house.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let extras = [("gpu".to_owned(), 2)].into_iter().collect();
    let agent = Agent::start(Options { extras, executor: on_host(), ..house.options() });
    fake.linked().await;
    if !["devices", "isolation.boxed", "isolation.bare"].iter().all(|one| can(&fake, one)) {
        return agent.stop().await.unwrap();
    }
    let line = "cd /dev; for file in dri/renderD128 dri/renderD129 kfd; do head -c0 < $file && echo $file; done 2> /dev/null; \
                echo $REPOWER_GPUS $ROCR_VISIBLE_DEVICES";
    let asks = |count, spec: JobSpec| {
        let extras = vec![Extra { name: "gpu".into(), amount: count }];
        let resources = Resources { cpu_milli: 1000, extras, ..Resources::default() };
        JobSpec { resources: Some(resources), project: "red".into(), ..spec }
    };
    let boxed = |line| JobSpec { isolation: Isolation::Boxed.into(), ..shell(line) };
    let own = |line| JobSpec { project_user: true, ..shell(line) };
    let jobs = [
        (asks(0, shell(line)), "\n"),
        (asks(0, boxed(line)), "\n"),
        (asks(1, shell(line)), "dri/renderD128\nkfd\n0 0\n"),
        (asks(1, own(line)), "dri/renderD128\nkfd\n0 0\n"),
        (asks(1, boxed(line)), "dri/renderD128\nkfd\n0 0\n"),
        (asks(2, boxed(line)), "dri/renderD128\ndri/renderD129\nkfd\n0,1 0,1\n"),
    ];

    for (job, (spec, expected)) in (1..).zip(jobs) {
        let attempt = fake.run(job, spec).await;
        fake.ended(attempt).await;
        let said = fake.memory().output(attempt, Stream::Stdout);
        assert_eq!(String::from_utf8(said).unwrap(), expected, "job {job}");
    }
    // The second of two at a time has the other card.
    let wait =
        format!("{line}; while [ ! -e {}/go ]; do sleep 0.02; done", house.folder.path().display());
    let first = fake.run(11, asks(1, shell(&wait))).await;
    fake.started(first).await;
    let second = fake.run(12, asks(1, boxed(line))).await;
    fake.ended(second).await;
    std::fs::write(house.folder.path().join("go"), "").unwrap();
    fake.ended(first).await;
    let said = fake.memory().output(second, Stream::Stdout);
    assert_eq!(String::from_utf8(said).unwrap(), "dri/renderD129\nkfd\n1 0\n");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_more_gpus_than_there_are_files_of_is_told_so() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let extras = [("gpu".to_owned(), 3)].into_iter().collect();
    let agent = Agent::start(Options { extras, executor: on_host(), ..house.options() });
    let extras = vec![Extra { name: "gpu".into(), amount: 3 }];
    let resources = Some(Resources { extras, ..Resources::default() });

    let attempt = fake.run(1, JobSpec { resources, ..shell("true") }).await;

    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!(outcome.kind(), OutcomeKind::NotStarted);
    assert!(outcome.detail.contains("asks for 3 GPUs, but 2 of the 2"), "{}", outcome.detail);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_has_the_files_of_its_gpus_and_its_user_may_use_them() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let extras = [("gpu".to_owned(), 2)].into_iter().collect();
    let agent = Agent::start(Options { extras, executor: on_host(), ..house.options() });
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }
    let image = Image::new();
    let line = "cd /dev; for file in dri/renderD128 dri/renderD129 kfd; do head -c0 < $file && echo $file; done 2> /dev/null; \
                echo $REPOWER_GPUS $HIP_VISIBLE_DEVICES";
    let asks = |count, spec: JobSpec| {
        let extras = vec![Extra { name: "gpu".into(), amount: count }];
        let resources = Resources { cpu_milli: 1000, extras, ..Resources::default() };
        let image = image.name.clone();
        JobSpec { resources: Some(resources), project: "red".into(), image, ..spec }
    };
    let boxed = |line| JobSpec { isolation: Isolation::Boxed.into(), ..shell(line) };
    let jobs = [
        (asks(0, boxed(line)), "\n"),
        (asks(1, boxed(line)), "dri/renderD128\nkfd\n0 0\n"),
        (asks(2, shell(line)), "dri/renderD128\ndri/renderD129\nkfd\n0,1 0,1\n"),
    ];

    for (job, (spec, expected)) in (1..).zip(jobs) {
        let attempt = fake.run(job, spec).await;
        let outcome = fake.ended(attempt).await.outcome.unwrap();
        assert_eq!(outcome.detail, "", "job {job}");
        let said = fake.memory().output(attempt, Stream::Stdout);
        assert_eq!(String::from_utf8(said).unwrap(), expected, "job {job}");
    }
    agent.stop().await.unwrap();
}
