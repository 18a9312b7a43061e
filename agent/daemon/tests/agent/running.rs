//! Tasks run, and what they did is reported.

use std::time::Duration;

use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::{
    Acknowledged, JobSpec, OutcomeKind, Resources, Sample, SampleTasks, Stream, Variable,
};

use crate::fake::{Fake, terms};
use crate::house::{House, entries, now};
use crate::memory::Memory;
use crate::orders::{attempt, command, define, shell, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_runs_and_its_success_is_reported() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let attempt = fake.run(1, command(&["true"])).await;
    let ended = fake.ended(attempt).await;

    let outcome = ended.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0));
    assert!(ended.started_ms > 0 && ended.ended_ms >= ended.started_ms);
    assert!(ended.usage.unwrap().wall_us > 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_and_signals_are_told_apart() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let coded = fake.run(1, shell("exit 42")).await;
    let signalled = fake.run(2, shell("kill -USR1 $$")).await;

    let outcome = fake.ended(coded).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 42));
    let outcome = fake.ended(signalled).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.signal), (OutcomeKind::Signalled, 10));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_streams_come_back_byte_for_byte_also_if_they_are_no_text() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let line = r"printf 'out\377\376\000\n'; printf 'err\300' >&2; printf 'more'";
    let attempt = fake.run(1, shell(line)).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(fake.memory().output(attempt, Stream::Stdout), b"out\xff\xfe\x00\nmore");
    assert_eq!(fake.memory().output(attempt, Stream::Stderr), b"err\xc0");
    let usage = ended.usage.unwrap();
    assert_eq!((usage.stdout_bytes, usage.stderr_bytes, usage.truncated), (11, 4, false));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_flood_the_beginning_and_the_end_are_kept_and_all_is_counted() {
    let fake =
        Fake::start_with(repower_proto::v1::Welcome { output_bytes: 1_000_000, ..terms() }).await;
    let house = House::new(&fake);
    let agent = house.start();

    let attempt =
        fake.run(1, shell("head -c 30000000 /dev/zero; printf 'the end'; echo end >&2")).await;
    let ended = fake.ended(attempt).await;

    let usage = ended.usage.unwrap();
    assert_eq!((usage.stdout_bytes, usage.truncated), (30_000_007, true));
    let printed = fake.memory().output(attempt, Stream::Stdout);
    assert!(printed.ends_with(b"\0the end") && printed.len() >= 1_000_000);
    let pieces = fake.memory().pieces(attempt, Stream::Stdout);
    let whole: usize =
        pieces.iter().take_while(|piece| piece.missing == 0).map(|piece| piece.data.len()).sum();
    assert_eq!(whole, 500_000, "the beginning is whole");
    let last = pieces.last().unwrap();
    assert_eq!(last.offset + last.data.len() as u64, 30_000_007);
    assert_eq!(fake.memory().output(attempt, Stream::Stderr), b"end\n");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_prints_faster_than_the_link_carries_is_slowed_down_and_loses_nothing() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent =
        crate::house::Agent::start(repower_agent::Options { backlog_mib: 1, ..house.options() });
    fake.linked().await;
    fake.memory().withhold = true;

    let attempt = fake.run(1, shell("head -c 20000000 /dev/zero | tr '\\0' x")).await;
    let quarter = |memory: &mut Memory| {
        (memory.output(attempt, Stream::Stdout).len() >= 250_000).then_some(())
    };
    fake.until("a quarter of a megabyte", quarter).await;
    let beats = fake.memory().heartbeats + 3;
    fake.until("three heartbeats", |memory| (memory.heartbeats >= beats).then_some(())).await;
    let received = fake.memory().output(attempt, Stream::Stdout).len();
    assert!(received < 3_000_000, "{received} bytes are more than a backlog of 1 MiB allows");
    let through = {
        let mut memory = fake.memory();
        memory.withhold = false;
        memory.reports.len() as u64
    };
    fake.send(Down::Acknowledged(Acknowledged { through, hold_output: false })).await;
    let ended = fake.ended(attempt).await;

    assert_eq!(ended.usage.unwrap().stdout_bytes, 20_000_000);
    assert_eq!(fake.memory().output(attempt, Stream::Stdout).len(), 20_000_000);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grandchild_that_keeps_the_output_open_does_not_hold_up_the_end() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let begun = now();
    let daemon = fake.run(1, shell("setsid sleep 300 & echo $!")).await;
    let left = fake.run(2, shell("sleep 300 & echo $!")).await;
    let outcomes =
        [fake.ended(daemon).await, fake.ended(left).await].map(|ended| ended.outcome.unwrap());

    assert!(outcomes.iter().all(|outcome| outcome.kind() == OutcomeKind::Exited));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let pid = |attempt| {
        let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    crate::house::gone(pid(left)).await;
    crate::house::gone(pid(daemon)).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_its_group_and_its_session_and_its_name_ends_with_its_task_and_no_sooner() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    // A child of a child in sessions of their own, one without any environment.
    let line = "setsid sh -c 'setsid sleep 300 & echo $!; wait' & \
                env -i /usr/bin/setsid sh -c 'sleep 300 & echo $!' & wait %2; sleep 0.1; \
                until [ -e go ]; do sleep 0.02; done";
    let folder = tempfile::TempDir::new().unwrap();
    let spec = JobSpec { working_folder: folder.path().to_str().unwrap().into(), ..shell(line) };
    let attempt = fake.run(1, spec).await;
    let pids = |memory: &mut Memory| {
        let text = String::from_utf8(memory.output(attempt, Stream::Stdout)).unwrap();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == 2).then_some(pids)
    };
    let pids = fake.until("two pids", pids).await;
    // Others come and go meanwhile, and what this one has started is not theirs.
    for job in 2..5 {
        let other = fake.run(job, command(&["true"])).await;
        fake.ended(other).await;
    }
    assert!(pids.iter().all(|pid| crate::house::runs(*pid)));
    std::fs::write(folder.path().join("go"), "").unwrap();
    fake.ended(attempt).await;

    for pid in pids {
        crate::house::gone(pid).await;
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_finds_its_environment_and_nothing_of_the_agents() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let spec = JobSpec {
        environment: vec![
            Variable { name: "GREETING".into(), value: "hello world".into() },
            Variable { name: "REPOWER_JOB_ID".into(), value: "not mine to say".into() },
        ],
        project: "physics".into(),
        resources: Some(Resources {
            cpu_milli: 1500,
            memory_bytes: 1 << 20,
            ..Resources::default()
        }),
        ..command(&["env"])
    };
    let attempt = fake.run(7, spec).await;
    fake.ended(attempt).await;

    let text = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
    let has = |line: &str| assert!(text.lines().any(|one| one == line), "no {line} in {text}");
    has("GREETING=hello world");
    has("REPOWER_JOB_ID=7");
    has("REPOWER_JOB_NAME=test");
    has("REPOWER_TASK_INDEX=0");
    has("REPOWER_TASK_COUNT=1");
    has("REPOWER_ATTEMPT=1");
    has("REPOWER_NODE=n1");
    has("REPOWER_CPUS=1.5");
    has("REPOWER_MEMORY=1048576");
    has("REPOWER_CLASS=science");
    has("REPOWER_PROJECT=physics");
    let known = ["PATH", "HOME", "LANG", "USER", "TMPDIR", "GREETING", "PWD"];
    for line in text.lines() {
        let name = line.split('=').next().unwrap();
        let hides_gpus = name.ends_with("_VISIBLE_DEVICES") && line.ends_with('=');
        let is_ours = name.starts_with("REPOWER_") || hides_gpus;
        assert!(is_ours || known.contains(&name), "{name} has leaked");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_finds_an_empty_folder_and_leaves_nothing() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let line =
        "ls -A; mkdir -p deep/er; echo x > deep/er/file; echo y > \"$TMPDIR\"/z; cat z; : > -dash";
    fake.order(vec![define(1, shell(line)), define(2, command(&["true"]))]).await;
    let attempts: Vec<_> = (0..20).map(|index| attempt(1 + u64::from(index % 2), index)).collect();
    fake.order(attempts.iter().map(|attempt| start(*attempt)).collect()).await;
    for attempt in &attempts {
        assert_eq!(fake.ended(*attempt).await.outcome.unwrap().exit_code, 0);
    }

    for attempt in attempts.iter().filter(|attempt| attempt.job == 1) {
        assert_eq!(fake.memory().output(*attempt, Stream::Stdout), b"y\n");
    }
    agent.stop().await.unwrap();
    for folder in entries(&house.data().join("work")) {
        assert!(entries(&folder).is_empty(), "{} is not empty", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_is_run_by_its_first_line_with_its_arguments() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    let script = |text: &str, words: &[&str]| JobSpec { script: text.into(), ..command(words) };
    let plain = fake.run(1, script("echo \"plain $1\"\n", &["a b"])).await;
    let lined = fake.run(2, script("#!/bin/sh -e\nfalse\necho not here\n", &[])).await;
    let other =
        fake.run(3, script("#!/usr/bin/env -S awk -f\nBEGIN { print ARGV[1] }\n", &["word"])).await;

    assert_eq!(fake.ended(plain).await.outcome.unwrap().exit_code, 0);
    assert_eq!(fake.ended(lined).await.outcome.unwrap().exit_code, 1);
    assert_eq!(fake.ended(other).await.outcome.unwrap().exit_code, 0);
    assert_eq!(fake.memory().output(plain, Stream::Stdout), b"plain a b\n");
    assert_eq!(fake.memory().output(lined, Stream::Stdout), b"");
    assert_eq!(fake.memory().output(other, Stream::Stdout), b"word\n");
    fake.order(
        (1..=3)
            .map(|job| repower_proto::v1::order::Body::Forget(repower_proto::v1::Forget { job }))
            .collect(),
    )
    .await;
    agent.stop().await.unwrap();
    assert!(entries(&house.data().join("scripts")).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_says_why_and_what_to_do() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let place = |name: &str| house.folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(place("plain"), "hello").unwrap();
    std::fs::write(place("lost"), "#!/no/such/interpreter -x\n").unwrap();
    std::fs::write(place("garbage"), b"\x7fELF and no more").unwrap();
    for name in ["lost", "garbage"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place(name), mode).unwrap();
    }
    let huge = "x".repeat(300_000);

    let in_folder = JobSpec { working_folder: "/no/such/folder".into(), ..command(&["true"]) };
    let script = JobSpec { script: b"#!/no/such/shell\n".to_vec(), ..command(&[]) };
    let cases = [
        (command(&["frobnicate"]), "no program \"frobnicate\" in PATH"),
        (command(&["/no/such/program"]), "no program /no/such/program"),
        (command(&[&place("plain")]), "set its execute bit"),
        (command(&["/tmp"]), "is a folder"),
        (command(&[&place("lost")]), "/no/such/interpreter"),
        (command(&[&place("garbage")]), "neither a program"),
        (in_folder, "the working folder /no/such/folder"),
        (script, "/no/such/shell of the script"),
        (command(&["true", &huge]), "put them into a file"),
        (command(&[]), "there is no command"),
    ];
    for (job, (spec, words)) in (1..).zip(cases) {
        let attempt = fake.run(job, spec).await;
        let ended = fake.ended(attempt).await;
        let outcome = ended.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{words}");
        assert!(outcome.detail.contains(words), "{:?} does not say {words:?}", outcome.detail);
        assert_eq!(ended.started_ms, 0);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_short_tasks_are_each_reported_once_in_few_messages() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    fake.order(vec![define(1, command(&["true"]))]).await;
    fake.order((0..1000).map(|index| start(attempt(1, index))).collect()).await;
    let all = |memory: &mut Memory| {
        let ended = memory
            .reports
            .iter()
            .filter(|report| matches!(report, repower_proto::v1::report::Body::Ended(_)));
        (ended.count() == 1000).then_some(())
    };
    fake.until("a thousand ends", all).await;

    let (messages, reports) =
        fake.until("counts", |memory| Some((memory.messages, memory.reports.len()))).await;
    assert!(messages < 600, "{messages} messages");
    assert!(reports < 1600, "{reports} reports");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_processes_the_path_is_the_same_and_much_faster() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let options = repower_agent::Options { no_exec: true, cpus: Some(512), ..house.options() };
    let agent = crate::house::Agent::start(options);
    fake.linked().await;

    fake.order(vec![define(1, command(&["/no/such/program"]))]).await;
    fake.order((0..5000).map(|index| start(attempt(1, index))).collect()).await;
    let last = fake.until("the last", |memory| memory.ended(attempt(1, 4999))).await;

    assert_eq!(last.outcome.unwrap().exit_code, 0);
    assert_eq!(
        fake.memory().hellos[0].inventory.as_ref().unwrap().capacity.as_ref().unwrap().cpu_milli,
        512_000
    );
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_running_tasks_use_is_told_only_while_somebody_watches() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let busy = fake.run(1, shell("(while :; do :; done) & exec sleep 1000")).await;
    fake.started(busy).await;
    assert_eq!(fake.memory().samples.len(), 0, "nobody has asked");

    fake.send(Down::SampleTasks(SampleTasks { every_ms: 200, for_ms: 60_000 })).await;

    fake.until("a task that uses its processor", |memory| {
        let all = memory.samples.iter().flat_map(|samples| &samples.samples);
        let mut its = all.filter(|sample| sample.attempt == Some(busy));
        let uses = |sample: &Sample| sample.cpu_us > 0 && sample.memory_bytes > 0;
        its.any(|sample| uses(sample) && sample.processes >= 2).then_some(())
    })
    .await;
    agent.stop().await.unwrap();
}
