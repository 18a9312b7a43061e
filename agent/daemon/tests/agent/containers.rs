//! Tasks in containers, with the real Podman of this machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use repower_agent::Options;
use repower_proto::v1::{
    AttemptRef, Egress, EgressKind, InputFile, Isolation, JobSpec, Outcome, OutcomeKind, Resources,
    StopReason, Stream, Variable,
};

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::boxes::{can, with_memory};
use crate::fake::Fake;
use crate::freezing::{freeze, thaw, until_still};
use crate::house::{Agent, House, entries, gone, runs};
use crate::image::{Image, run};
use crate::killed::{executor, kill, pids, spawn};
use crate::orders::{attempt, command, define, shell, start_gang, stop};

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
async fn a_container_that_is_cancelled_gets_sigterm_and_one_that_ignores_it_is_killed() {
    let Some(world) = World::new().await else { return };

    let polite = shell("trap 'echo bye; exit 3' TERM; echo up; sleep 300 & wait");
    let polite = world.fake.run(1, world.inside(polite)).await;
    let rude =
        JobSpec { grace_ms: 300, ..shell("trap '' TERM; echo up; while :; do sleep 0.2; done") };
    let rude = world.fake.run(2, world.inside(rude)).await;
    for attempt in [polite, rude] {
        world.is_up(attempt).await;
        world.fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    }
    for attempt in [polite, rude] {
        assert_eq!(world.outcome(attempt).await.kind(), OutcomeKind::Cancelled);
    }
    assert!(world.said(polite).ends_with("bye\n"), "{}", world.said(polite));

    // No shell stands between it and the signal.
    let plain = JobSpec { grace_ms: 60_000, ..command(&["sh", "-c", "echo up; exec sleep 300"]) };
    let plain = world.fake.run(3, world.inside(plain)).await;
    world.is_up(plain).await;
    world.fake.order(vec![stop(plain, StopReason::Cancelled)]).await;
    let ended = world.fake.ended(plain).await;
    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    assert!(ended.usage.unwrap().wall_us < 50_000_000, "it was not killed after its grace");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_signal_that_ends_a_program_is_told_apart_from_codes_that_look_like_it() {
    let Some(world) = World::new().await else { return };

    let killed = world.fake.run(1, world.inside(shell("kill -9 $$"))).await;
    let exited = world.fake.run(2, world.inside(shell("exit 137"))).await;
    let engine = world.fake.run(3, world.inside(shell("exit 125"))).await;

    let outcome = world.outcome(killed).await;
    assert_eq!((outcome.kind(), outcome.signal), (OutcomeKind::Signalled, 9), "{outcome:?}");
    for (attempt, code) in [(exited, 137), (engine, 125)] {
        let outcome = world.outcome(attempt).await;
        assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, code), "{outcome:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_hog_in_a_container_ends_as_out_of_memory_and_a_fork_bomb_is_bounded() {
    let Some(world) = World::new().await else { return };

    let hog = with_memory(48, shell("head -c 300m /dev/zero | busybox tail -c 200m"));
    let hog = world.fake.run(1, world.inside(hog)).await;
    let neighbour = with_memory(48, shell("exit 3"));
    let neighbour = world.fake.run(2, world.inside(neighbour)).await;
    let bomb = "bomb() { sleep 300 & bomb & wait; }; (sleep 300 & echo up); bomb";
    let bomb = JobSpec { pids: 16, time_limit_ms: 2000, ..shell(bomb) };
    let bomb = world.fake.run(3, world.inside(bomb)).await;
    let small = with_memory(4, command(&["true"]));
    let small = world.fake.run(4, world.inside(small)).await;

    let ended = world.fake.ended(hog).await;
    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::OutOfMemory);
    let usage = ended.usage.unwrap();
    assert!(usage.oom_kills > 0 && usage.peak_memory_bytes > 40 << 20, "{usage:?}");
    assert_eq!(world.outcome(neighbour).await.exit_code, 3);
    let kind = world.outcome(bomb).await.kind();
    assert!(matches!(kind, OutcomeKind::TimedOut | OutcomeKind::Exited), "{kind:?}");
    let outcome = world.outcome(small).await;
    assert!(outcome.detail.contains("its limit of 4 MiB of memory"), "{outcome:?}");
    world.end().await;
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
async fn a_task_that_writes_over_its_status_or_kills_all_it_can_ends_as_it_did() {
    let Some(world) = World::new().await else { return };

    let forged = "printf 'nonsense and more' > /.repower-status; exit 3";
    let forged = world.fake.run(1, world.inside(boxed(shell(forged)))).await;
    let killer = "trap '' TERM; kill -9 1; kill -TERM -1; sleep 300 & exit 4";
    let killer = world.fake.run(2, world.inside(boxed(shell(killer)))).await;
    let removed = "rm -f /.repower-init /.repower-status 2>/dev/null; exit 5";
    let removed = world.fake.run(3, world.inside(shell(removed))).await;

    for (attempt, code) in [(forged, 3), (killer, 4), (removed, 5)] {
        let outcome = world.outcome(attempt).await;
        assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, code), "{outcome:?}");
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_takes_its_task_with_it_and_nothing_else() {
    let Some(world) = World::new().await else { return };

    let attempt = world.fake.run(1, world.inside(shell("echo up; sleep 300"))).await;
    world.is_up(attempt).await;
    let other = world.fake.run(2, world.inside(shell("echo up; sleep 1; exit 5"))).await;
    world.is_up(other).await;
    let clients = run(Command::new("pgrep").args(["-f", "start --attach repower-"]).arg("-a"));
    let clients = String::from_utf8(clients.stdout).unwrap();
    let mark = format!("{}-", name_of(&world.house.data()));
    let of_first = |line: &&str| line.contains(&mark) && line.ends_with("-1");
    let client = clients.lines().find(of_first).unwrap_or_else(|| panic!("{clients}"));
    kill(client.split(' ').next().unwrap().parse().unwrap());

    let outcome = world.outcome(attempt).await;
    assert_eq!((outcome.kind(), outcome.signal), (OutcomeKind::Signalled, 9), "{outcome:?}");
    assert_eq!(world.outcome(other).await.exit_code, 5);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_outlives_a_killed_agent_and_not_a_killed_executor() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return;
    }
    let image = Image::new();
    let inside = |spec| JobSpec { image: image.name.clone(), ..spec };

    let flag = house.folder.path().join("shared");
    std::fs::create_dir(&flag).unwrap();
    let line = "echo 1; until [ -e go ]; do sleep 0.05; done; echo end; exit 6";
    let spec = JobSpec { working_folder: flag.to_str().unwrap().into(), ..inside(shell(line)) };
    let attempt = fake.run(1, spec).await;
    pids(&fake, attempt, 1).await;
    let hellos = fake.memory().hellos.len();
    agent.kill();
    agent = spawn(&house);
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    std::fs::write(flag.join("go"), "").unwrap();
    assert_eq!(fake.ended(attempt).await.outcome.unwrap().exit_code, 6);

    let second = fake.run(2, inside(shell("echo 1; exec sleep 4321"))).await;
    pids(&fake, second, 1).await;
    let name = name_of(&house.data());
    let found = run(Command::new("pgrep").args(["-f", "^sleep 4321$"]));
    let inner: Vec<i32> =
        String::from_utf8(found.stdout).unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
    let hellos = fake.memory().hellos.len();
    kill(executor(&house));
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    for pid in inner {
        gone(pid).await;
    }
    // The next executor removes what is left before it makes another.
    let third = fake.run(3, inside(command(&["true"]))).await;
    assert_eq!(fake.ended(third).await.outcome.unwrap().exit_code, 0);
    until_no_containers(&name).await;
    let last = executor(&house);
    drop(agent);
    kill(last);
    gone(last).await;
    let left: Vec<_> = groups(&name);
    for group in left.iter().rev() {
        // Of the executor that was killed here: the next one would remove them.
        run(Command::new("find")
            .arg(group)
            .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_stands_still_with_all_its_processes_and_goes_on() {
    let Some(world) = World::new().await else { return };
    let fake = &world.fake;

    let line = "trap 'echo bye; exit 3' TERM; sleep 4324 & echo up; wait";
    let attempt = fake.run(1, world.inside(with_memory(64, shell(line)))).await;
    world.is_up(attempt).await;
    // The shell may not have become another program yet when it says so.
    let sleeper = loop {
        let found = Command::new("pgrep").args(["-f", "^sleep 4324$"]).output().unwrap();
        if let Ok(pid) = String::from_utf8(found.stdout).unwrap().trim().parse() {
            break [pid];
        }
        tokio::task::yield_now().await;
    };
    for _ in 0..2 {
        until_still(&sleeper, false).await;
        fake.order(vec![freeze(attempt)]).await;
        until_still(&sleeper, true).await;
        fake.order(vec![thaw(attempt)]).await;
    }
    until_still(&sleeper, false).await;
    fake.order(vec![freeze(attempt)]).await;
    until_still(&sleeper, true).await;
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;

    assert_eq!(world.outcome(attempt).await.kind(), OutcomeKind::Cancelled);
    assert!(world.said(attempt).ends_with("bye\n"), "it was asked");
    gone(sleeper[0]).await;
    world.end().await;
}

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
