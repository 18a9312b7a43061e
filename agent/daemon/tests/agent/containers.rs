//! Tasks in containers, with the real Podman of this machine.

mod ending;
mod images;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use repower_proto::v1::{
    AttemptRef, Egress, EgressKind, Isolation, JobSpec, Outcome, OutcomeKind, Stream, Variable,
};

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::boxes::{can, with_memory};
use crate::fake::Fake;
use crate::house::{Agent, House, entries};
use crate::image::{Image, run};
use crate::orders::{attempt, command, define, shell, start_gang};

/// An agent on a node that can have containers, and an image.
struct World {
    fake: Fake,
    house: House,
    agent: Agent,
    image: Image,
}

impl World {
    /// `None`, and a line that says so, where the node cannot.
    async fn new() -> Option<Self> {
        let fake = Fake::start().await;
        let house = House::new(&fake);
        let agent = house.start();
        fake.linked().await;
        if !can(&fake, "container.podman") {
            agent.stop().await.unwrap();
            return None;
        }
        Some(Self { fake, house, agent, image: Image::new() })
    }

    fn inside(&self, spec: JobSpec) -> JobSpec {
        JobSpec { image: self.image.name.clone(), ..spec }
    }

    async fn outcome(&self, attempt: AttemptRef) -> Outcome {
        self.fake.ended(attempt).await.outcome.unwrap()
    }

    fn said(&self, attempt: AttemptRef) -> String {
        String::from_utf8(self.fake.memory().output(attempt, Stream::Stdout)).unwrap()
    }

    /// Waits until an attempt has printed something.
    async fn is_up(&self, attempt: AttemptRef) {
        self.fake
            .until("it to be up", |memory| {
                (!memory.output(attempt, Stream::Stdout).is_empty()).then_some(())
            })
            .await;
    }

    /// Ends the agent, after which nothing of its containers is left.
    async fn end(self) {
        let data = self.house.data();
        let name = name_of(&data);
        self.agent.stop().await.unwrap();
        assert_eq!(containers(&name), "", "containers are left");
        assert_eq!(groups(&name), Vec::<String>::new(), "control groups are left");
        assert_eq!(entries(&data.join("containers")).len(), 1, "all but the first process");
    }
}

/// By which an agent's containers and control groups are known.
fn name_of(data: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(data).unwrap();
    format!("repower-{:x}-{:x}", file.dev(), file.ino())
}

/// The containers of an agent.
fn containers(name: &str) -> String {
    let filter = format!("label=io.repower.agent={name}");
    let listed = run(Command::new("podman").args(["ps", "--all", "--quiet", "--filter", &filter]));
    String::from_utf8(listed.stdout).unwrap()
}

/// Waits until an agent has no container any more: whenever one is removed, it is asked again.
async fn until_no_containers(name: &str) {
    let filter = format!("label=io.repower.agent={name}");
    let mut events = tokio::process::Command::new("podman")
        .args(["events", "--filter", "event=remove", "--filter", &filter, "--format", "{{.ID}}"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    let wait = async {
        while !containers(name).is_empty() {
            // Should the last have been removed between the two, nothing comes: it is asked once more.
            tokio::time::timeout(Duration::from_secs(5), lines.next_line()).await.ok();
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.expect("containers are left");
}

/// Its control groups, in all hierarchies.
fn groups(name: &str) -> Vec<String> {
    // Others come and go meanwhile.
    let found = run(Command::new("find")
        .args(["/sys/fs/cgroup", "-ignore_readdir_race", "-type", "d", "-name"])
        .arg(format!("{name}*")));
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn variable(name: &str, value: &str) -> Variable {
    Variable { name: name.into(), value: value.into() }
}

fn boxed(spec: JobSpec) -> JobSpec {
    JobSpec { project: "red".into(), isolation: Isolation::Boxed.into(), ..spec }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_container_has_its_own_user_variables_folder_and_exit_code_and_not_the_images()
{
    let Some(world) = World::new().await else { return };

    let line = "id -u; pwd; echo \"$HOME|$ONE|$TWO|$THREE|$PATH|$REPOWER_JOB_ID\"; echo kept > made; \
                cat made; exit 7";
    let spec = JobSpec {
        environment: vec![variable("ONE", "a b=c # d"), variable("THREE", "first\nsecond")],
        ..boxed(shell(line))
    };
    let attempt = world.fake.run(1, world.inside(spec)).await;
    let by_id = JobSpec { image: world.image.id.clone(), ..shell("id -u; exit 3") };
    let by_id = world.fake.run(2, by_id).await;

    let outcome = world.outcome(attempt).await;
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 7), "{outcome:?}");
    let said = world.said(attempt);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].parse::<u32>().unwrap() >= 200_000, "{said}");
    assert!(lines[1].starts_with(world.house.data().to_str().unwrap()), "{said}");
    let rest = format!("{}|a b=c # d|image|first\nsecond|/image/bin:/bin|1\nkept\n", lines[1]);
    assert!(said.ends_with(&rest), "{said}");
    assert_eq!(world.outcome(by_id).await.exit_code, 3);
    assert_eq!(world.said(by_id), "0\n", "a bare task has the agent's user");
    let usage = world.fake.ended(attempt).await.usage.unwrap();
    assert!(usage.cpu_us > 0 && usage.peak_memory_bytes > 0, "{usage:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_that_engines_cannot_be_told_plainly_arrive_as_they_are_and_mean_nothing_to_them()
{
    let Some(world) = World::new().await else { return };

    let long = "x".repeat(40_000);
    let spec = JobSpec {
        environment: vec![
            variable("TWO", "first\nsecond"),
            // As its own, the engine would not even start.
            variable("PATH", "/image/bin:/bin:\n"),
            variable("LD_PRELOAD", "/nowhere.so\n"),
            variable("LONG", &long),
            variable("#HASH", "value"),
            variable("LAST", "plain"),
        ],
        ..command(&["env"])
    };
    let attempt = world.fake.run(1, world.inside(spec)).await;

    let outcome = world.outcome(attempt).await;
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    // In whatever order.
    let said = format!("\n{}", world.said(attempt));
    let long = format!("LONG={long}");
    for line in
        ["TWO=first\nsecond", "LD_PRELOAD=/nowhere.so\n", &long, "#HASH=value", "LAST=plain"]
    {
        assert!(said.contains(&format!("\n{line}\n")), "{line} is not in {said}");
    }
    assert!(said.contains("PATH=/image/bin:/bin:\n\n") && said.contains("ONE=image\n"), "{said}");
    assert_eq!(said.matches("PATH=").count(), 1, "the image's is replaced: {said}");
    assert!(!said.contains("TWO=image") && !said.contains("REPOWER_LONG"), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_runs_with_the_interpreter_of_the_image() {
    let Some(world) = World::new().await else { return };

    let script = b"#!/bin/busybox sh\necho \"$1 in $0\"\nexit 4\n".to_vec();
    let spec = JobSpec { script, command: vec!["one".into()], ..shell("") };
    let attempt = world.fake.run(1, world.inside(spec)).await;

    let outcome = world.outcome(attempt).await;
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 4), "{outcome:?}");
    assert!(world.said(attempt).starts_with("one in /"), "{}", world.said(attempt));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_sees_nothing_of_the_node_and_without_egress_nobody_else() {
    let Some(world) = World::new().await else { return };
    let data = world.house.data();

    let line = format!(
        "ls {0}; cat {0}/identity* {0}/*.pem 2>/dev/null; ls /sys/class/net; echo x > /bin/new && echo changed; \
         ls /proc | grep -c '^[0-9]'",
        data.display()
    );
    let alone = Egress { kind: EgressKind::None.into(), only: Vec::new() };
    let spec = JobSpec { egress: Some(alone), ..boxed(shell(&line)) };
    let attempt = world.fake.run(1, world.inside(spec)).await;
    let root = world.fake.run(2, world.inside(shell("echo x > /bin/new && echo changed"))).await;
    let next = world.fake.run(3, world.inside(shell("ls /bin/new || echo fresh"))).await;

    world.outcome(attempt).await;
    let said = world.said(attempt);
    assert!(said.starts_with("work\nlo\n"), "{said}");
    assert!(!said.contains("changed"), "{said}");
    assert!(said.lines().last().unwrap().parse::<u32>().unwrap() < 8, "{said}");
    world.outcome(root).await;
    world.outcome(next).await;
    assert_eq!(world.said(next), "fresh\n", "what one has changed, another does not see");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_container_runs_on_as_many_processors_as_its_job_asks_for() {
    let Some(world) = World::new().await else { return };
    if !can(&world.fake, "cpuset") {
        return world.end().await;
    }

    let line = "grep Cpus_allowed_list /proc/self/status";
    let spec = JobSpec { pin_cpus: true, ..with_memory(64, boxed(shell(line))) };
    let one = world.fake.run(1, world.inside(spec)).await;

    assert_eq!(world.outcome(one).await.exit_code, 0);
    let said = world.said(one);
    let list = said.split_whitespace().last().unwrap();
    assert!(list.parse::<u32>().is_ok(), "it is one processor: {said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranks_of_a_gang_find_each_other_in_containers_and_a_sealed_one_reaches_nobody() {
    let Some(world) = World::new().await else { return };

    let line = "echo $RANK of $WORLD_SIZE; cat $REPOWER_HOSTFILE; exit $RANK";
    let attempt = attempt(1, 0);
    world.fake.order(vec![define(1, world.inside(boxed(shell(line))))]).await;
    world.fake.order(vec![start_gang(attempt, &[("10.1.2.3", 2)], 0)]).await;
    let line = "ls /sys/class/net; id -u; exit 9";
    let spec = JobSpec { isolation: Isolation::Sealed.into(), ..boxed(shell(line)) };
    let sealed = world.fake.run(2, world.inside(spec)).await;
    let comma = JobSpec { working_folder: "/tmp/a,b".into(), ..command(&["true"]) };
    let comma = world.fake.run(3, world.inside(comma)).await;

    for rank in 0..2 {
        let one = AttemptRef { rank, ..attempt };
        let outcome = world.outcome(one).await;
        assert_eq!(outcome.exit_code, i32::try_from(rank).unwrap(), "{outcome:?}");
        let said = world.said(one);
        assert!(said.starts_with(&format!("{rank} of 2\n")) && said.contains("10.1.2.3"), "{said}");
    }
    assert_eq!(world.outcome(sealed).await.exit_code, 9);
    let said = world.said(sealed);
    assert!(said.starts_with("lo\n2"), "{said}");
    let outcome = world.outcome(comma).await;
    assert!(outcome.detail.contains("the comma in it"), "{outcome:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_of_a_container_comes_whole_and_so_does_that_of_one_that_ends_at_once() {
    let Some(world) = World::new().await else { return };

    let line = "head -c 20000000 /dev/zero | sha256sum; head -c 20000000 /dev/zero; echo err >&2";
    let much = world.fake.run(1, world.inside(shell(line))).await;
    assert_eq!(world.outcome(much).await.exit_code, 0);
    let output = world.fake.memory().output(much, Stream::Stdout);
    let begin = output.len() - 20_000_000;
    assert!(output[begin..].iter().all(|byte| *byte == 0) && output[..begin].ends_with(b"-\n"));
    assert_eq!(world.fake.memory().output(much, Stream::Stderr), b"err\n");

    for job in 2..6 {
        let quick = world.fake.run(job, world.inside(shell("echo quick; echo err >&2"))).await;
        assert_eq!(world.outcome(quick).await.exit_code, 0);
        assert_eq!(world.said(quick), "quick\n");
        assert_eq!(world.fake.memory().output(quick, Stream::Stderr), b"err\n");
    }
    world.end().await;
}
