//! Tasks are held: limits, boxes and users, through the agent and its executor.

use repower_agent::Options;
use repower_proto::v1::{
    InputFile, Isolation, JobSpec, OutcomeKind, Resources, StopReason, Stream,
};
use rustix::fs::{FileType, Mode};
use std::io::Write as _;

use crate::fake::Fake;
use crate::house::{Agent, House, entries, gone};
use crate::orders::{command, shell, stop};

/// Whether the node can do this.
pub(crate) fn is_able(fake: &Fake, ability: &str) -> bool {
    let memory = fake.memory();
    let inventory = memory.hellos.last().and_then(|hello| hello.inventory.clone()).unwrap();
    inventory.abilities.iter().any(|name| name == ability)
}

/// Whether the node can do this; says so if it cannot.
pub(crate) fn can(fake: &Fake, ability: &str) -> bool {
    let can = is_able(fake, ability);
    if !can {
        drop(writeln!(std::io::stderr(), "SKIPPED: this host lacks {ability}"));
    }
    can
}

fn boxed(line: &str) -> JobSpec {
    JobSpec { project: "red".into(), isolation: Isolation::Boxed.into(), ..shell(line) }
}

pub(crate) fn with_memory(mib: u64, spec: JobSpec) -> JobSpec {
    let resources = Resources { cpu_milli: 1000, memory_bytes: mib << 20, ..Resources::default() };
    JobSpec { resources: Some(resources), ..spec }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_hog_ends_as_out_of_memory_and_its_neighbour_does_not() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.memory") {
        return agent.stop().await.unwrap();
    }

    let hog = "head -c 300m /dev/zero | tail -c 200m";
    let attempts = [
        fake.run(1, with_memory(32, shell(hog))).await,
        fake.run(2, with_memory(32, shell("exit 3"))).await,
        fake.run(3, with_memory(32, JobSpec { isolation: Isolation::Boxed.into(), ..shell(hog) }))
            .await,
    ];

    let ended = fake.ended(attempts[0]).await;
    assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::OutOfMemory);
    let usage = ended.usage.unwrap();
    assert!(usage.oom_kills > 0 && usage.peak_memory_bytes > 24 << 20, "{usage:?}");
    let ended = fake.ended(attempts[1]).await;
    assert_eq!(ended.outcome.unwrap().exit_code, 3);
    assert_eq!(ended.usage.unwrap().oom_kills, 0);
    if can(&fake, "isolation.boxed") {
        let ended = fake.ended(attempts[2]).await;
        assert_eq!(ended.outcome.unwrap().kind(), OutcomeKind::OutOfMemory);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_kills_itself_is_not_out_of_memory_because_another_one_was() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.memory") {
        return agent.stop().await.unwrap();
    }

    let hog = "head -c 300m /dev/zero | tail -c 200m";
    for job in 1..4 {
        let hog = fake.run(job, with_memory(32, shell(hog))).await;
        let outcome = fake.ended(hog).await.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::OutOfMemory);
    }
    let mut signalled = 0;
    for job in 4..7 {
        let killed = fake.run(job, shell("kill -9 $$")).await;
        let outcome = fake.ended(killed).await.outcome.unwrap();
        signalled += i32::from((outcome.kind(), outcome.signal) == (OutcomeKind::Signalled, 9));
    }
    // Somebody else of this machine may be short of memory in just that moment, once.
    assert!(signalled >= 2, "{signalled} of 3");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_the_processors_goes_by_how_many_a_task_asks_for() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.cpu") || !can(&fake, "limit.memory") {
        return agent.stop().await.unwrap();
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = |is_it: &dyn Fn(&[&str]) -> bool| {
        let found = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        found.into_iter().find(|words| is_it(words)).map(|words| words[1].to_owned())
    };
    let is_old = can(&fake, "cgroup.v1");
    let (mount, group, file) = if is_old {
        let is_cpu =
            |words: &[&str]| words[2] == "cgroup" && words[3].split(',').any(|one| one == "cpu");
        (mount(&is_cpu), "grep -E ':([a-z,]+,)?cpu(,[a-z,]+)?:'", "cpu.shares")
    } else {
        (mount(&|words: &[&str]| words[2] == "cgroup2"), "grep ^0::", "cpu.weight")
    };
    let line = format!(
        "cat {}$({group} /proc/self/cgroup | cut -d: -f3)/{file}",
        mount.expect("a controller that can be used is mounted")
    );
    let asks = |cpu_milli, memory_bytes| {
        let resources = Resources { cpu_milli, memory_bytes, ..Resources::default() };
        JobSpec { resources: Some(resources), ..shell(&line) }
    };

    let mut said = Vec::new();
    for (job, spec) in [(1, asks(2000, 64 << 20)), (2, asks(500, 64 << 20)), (3, asks(2000, 0))] {
        let attempt = fake.run(job, spec).await;
        fake.ended(attempt).await;
        let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
        said.push(text.trim().to_owned());
    }

    if is_old {
        // Who has no limit but of processes is in no other hierarchy, and shares with the agent.
        let own = said.pop().unwrap();
        assert_eq!(said, ["2048", "512"]);
        assert_ne!(own, "2048");
    } else {
        assert_eq!(said, ["200", "50", "200"]);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_memory_of_a_task_is_never_what_its_executor_has_had() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    // Much output makes the executor larger.
    let flood = fake.run(1, shell("head -c 64m /dev/zero")).await;
    fake.ended(flood).await;
    let small = fake.run(2, command(&["true"])).await;
    let small = fake.ended(small).await.usage.unwrap();
    let large = fake.run(3, shell("head -c 200m /dev/zero | tail -c 150m | wc -c")).await;
    let large = fake.ended(large).await.usage.unwrap();

    if can(&fake, "cgroup.v2") && can(&fake, "limit.memory") {
        assert!(small.peak_memory_bytes < 8 << 20, "{small:?}");
    } else {
        assert_eq!(small.peak_memory_bytes, 0, "nobody knows: {small:?}");
    }
    assert!(large.peak_memory_bytes > 140 << 20, "{large:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_below_what_a_program_needs_to_be_loaded_is_told() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.memory") {
        return agent.stop().await.unwrap();
    }

    let resources = Resources { cpu_milli: 1000, memory_bytes: 4096, ..Resources::default() };
    let spec = JobSpec { resources: Some(resources), ..command(&["true"]) };
    let attempt = fake.run(1, spec).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();

    let is_told = outcome.kind() == OutcomeKind::NotStarted
        && outcome.detail.contains("its limit of 4 KiB of memory");
    assert!(is_told || outcome.kind() == OutcomeKind::OutOfMemory, "{outcome:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_bomb_is_bounded_and_all_of_it_dies_with_its_task() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "limit.pids") {
        return agent.stop().await.unwrap();
    }

    let bomb = "bomb() { setsid sleep 300 & bomb & wait; }; (setsid sleep 300 & echo $!); bomb";
    let attempt = fake.run(1, JobSpec { pids: 24, time_limit_ms: 1500, ..shell(bomb) }).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();

    assert!(matches!(outcome.kind(), OutcomeKind::TimedOut | OutcomeKind::Exited), "{outcome:?}");
    let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    gone(text.lines().next().unwrap().trim().parse().unwrap()).await;
    let next = fake.run(2, command(&["true"])).await;
    assert_eq!(fake.ended(next).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_job_does_not_say_has_the_limit_of_processes_of_its_node() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = Agent::start(Options { task_pids: 5, ..house.options() });
    fake.linked().await;
    if !can(&fake, "limit.pids") {
        return agent.stop().await.unwrap();
    }

    let line = "for i in 1 2 3 4 5 6 7 8; do sleep 300 & done; echo all; exit 0";
    let bare = fake.run(1, shell(line)).await;
    let own = fake.run(2, JobSpec { pids: 20, ..shell(line) }).await;
    let next = fake.run(3, shell("echo next")).await;

    fake.ended(bare).await;
    let said = |attempt| String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    assert_eq!(said(bare), "", "the shell cannot go on: it has had no ninth process");
    fake.ended(own).await;
    assert_eq!(said(own), "all\n", "what the job says counts");
    fake.ended(next).await;
    assert_eq!(said(next), "next\n");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_tasks_share_no_processor_and_who_comes_next_gets_what_has_become_free() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "cpuset") || std::thread::available_parallelism().unwrap().get() < 2 {
        drop(writeln!(
            std::io::stderr(),
            "SKIPPED: processors cannot be chosen here, or there is one only"
        ));
        return agent.stop().await.unwrap();
    }
    let pinned = |line: &str| JobSpec { pin_cpus: true, ..with_memory(64, shell(line)) };
    let tell = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    let said = |attempt| {
        fake.until("it to say where it runs", move |memory| {
            let text = String::from_utf8(memory.output(attempt, Stream::Stdout)).unwrap();
            text.trim().parse::<u32>().ok()
        })
    };

    let one = fake.run(1, pinned(&format!("{tell}; sleep 300"))).await;
    let two = fake.run(2, pinned(&format!("{tell}; sleep 300"))).await;
    let (first, second) = (said(one).await, said(two).await);
    // It waits for a slot, and then for the processor that came with it.
    let three = fake.run(3, pinned(tell)).await;
    fake.order(vec![stop(one, StopReason::Cancelled)]).await;

    assert_ne!(first, second);
    assert_eq!(said(three).await, first);
    assert_eq!(fake.ended(three).await.outcome.unwrap().exit_code, 0);
    fake.order(vec![stop(two, StopReason::Cancelled)]).await;
    fake.ended(two).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boxed_task_has_its_own_user_and_folder_and_sees_nothing_of_the_agent() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "isolation.boxed") {
        return agent.stop().await.unwrap();
    }
    let data = house.data();

    let line = format!(
        "id -u; echo x > file && cat file; pwd; ls {0}; cat {0}/* 2>/dev/null; ps -e 2>/dev/null | wc -l",
        data.display()
    );
    let attempt = fake.run(1, boxed(&line)).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();

    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    if can(&fake, "users") {
        assert!(lines[0].parse::<u32>().unwrap() >= 200_000, "{text}");
    }
    assert_eq!(lines[1], "x");
    assert!(lines[2].starts_with(data.to_str().unwrap()), "{text}");
    assert_eq!(lines[3], "work", "only the way to its own folder is there: {text}");
    assert!(lines[4].parse::<u32>().unwrap() < 8, "{text}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_runs_in_a_box() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "isolation.boxed") {
        return agent.stop().await.unwrap();
    }

    let script = b"#!/bin/sh\necho \"$1 of $HOME\"\nexit 4\n".to_vec();
    let spec = JobSpec { script, command: vec!["one".into()], ..boxed("") };
    let attempt = fake.run(1, spec).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();

    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 4), "{outcome:?}");
    let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    assert!(text.starts_with("one of /") && text.contains("/work/"), "{text}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boxed_task_that_is_cancelled_gets_sigterm_and_one_that_ignores_it_is_killed() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "isolation.boxed") {
        return agent.stop().await.unwrap();
    }

    let polite =
        fake.run(1, boxed("trap 'echo bye; exit 3' TERM; echo up; sleep 300 & wait")).await;
    let rude = JobSpec { grace_ms: 200, ..boxed("trap '' TERM; echo up; sleep 300 & wait; wait") };
    let rude = fake.run(2, rude).await;
    let plain =
        fake.run(3, JobSpec { command: vec!["sleep".into(), "300".into()], ..boxed("") }).await;
    for attempt in [polite, rude] {
        fake.until("it to be up", |memory| {
            (!memory.output(attempt, Stream::Stdout).is_empty()).then_some(())
        })
        .await;
    }
    for attempt in [polite, rude, plain] {
        fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    }

    for attempt in [polite, rude, plain] {
        assert_eq!(fake.ended(attempt).await.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    }
    assert!(fake.memory().output(polite, Stream::Stdout).ends_with(b"bye\n"));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_no_box_shows_is_refused() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    if can(&fake, "isolation.boxed") {
        for (job, folder) in [(4, "/root"), (5, "/usr/../root"), (6, "/usr/..")] {
            let spec = JobSpec { working_folder: folder.into(), ..boxed("true") };
            let attempt = fake.run(job, spec).await;
            let outcome = fake.ended(attempt).await.outcome.unwrap();
            assert!(
                outcome.detail.contains(&format!("{folder} is not seen from a box")),
                "{outcome:?}"
            );
        }
        let system = JobSpec { working_folder: "/usr".into(), ..boxed("pwd") };
        let system = fake.run(3, system).await;
        assert_eq!(fake.ended(system).await.outcome.unwrap().exit_code, 0);
        assert_eq!(fake.memory().output(system, Stream::Stdout), b"/usr\n");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_agent_nor_its_executor_touches_a_folder_of_the_node_for_a_boxed_task() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let shared = house.folder.path().join("shared");
    let target = house.folder.path().join("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(&shared, "planted").unwrap();
    std::fs::write(target.join("secret"), "secret").unwrap();
    let agent = Agent::start(Options { shares: vec![shared.clone()], ..house.options() });
    fake.linked().await;
    if !can(&fake, "isolation.boxed") {
        return agent.stop().await.unwrap();
    }
    let at = |spec: JobSpec| JobSpec { working_folder: target.to_str().unwrap().into(), ..spec };

    let url = format!("file://{}", shared.display());
    let input = InputFile { url, path: "planted".into(), ..InputFile::default() };
    let puts = fake.run(1, at(JobSpec { inputs: vec![input], ..boxed("true") })).await;
    let takes = fake.run(2, at(JobSpec { outputs: vec!["secret".into()], ..boxed("true") })).await;
    for attempt in [puts, takes] {
        let outcome = fake.ended(attempt).await.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{outcome:?}");
        assert!(outcome.detail.contains("inputs and outputs in a fresh folder"), "{outcome:?}");
    }
    assert_eq!(entries(&target), [target.join("secret")]);
    // Whoever opened this would wait for ever: all threads of the executor, before the last of these has its turn.
    let pipe = target.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for job in 3..12 {
        let spec = JobSpec { command: vec![pipe.to_str().unwrap().into()], ..boxed("") };
        let reads = fake.run(job, spec).await;
        let outcome = fake.ended(reads).await.outcome.unwrap();
        assert!(outcome.detail.contains("pipe in the box"), "{outcome:?}");
    }
    agent.stop().await.unwrap();
}
