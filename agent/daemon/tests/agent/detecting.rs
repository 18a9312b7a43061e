//! What the agent looks at, and what it does not start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use repower_agent::Options;
use repower_proto::v1::report::Body as Report;
use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::{
    AttemptRef, Ended, Forbidden, InputFile, Isolation, JobSpec, Noticed, OutcomeKind, StopReason,
    Verdict,
};
use sha2::{Digest as _, Sha256};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{Agent, House, PROGRAM, gone};
use crate::image::Image;
use crate::killed::{Process, pids};
use crate::memory::Memory;
use crate::orders::{attempt, command, define, shell, start, stop};

fn forbidden(digest: &[u8]) -> Down {
    let reasons = vec!["finding 3 was confirmed: it hashes".to_owned()];
    Down::Forbidden(Forbidden { digests: vec![digest.to_vec()], reasons })
}

async fn end(fake: &Fake, job: u64, spec: JobSpec) -> Ended {
    let attempt = fake.run(job, spec).await;
    fake.ended(attempt).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_quarantine_is_not_started_until_it_is_released() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let program = house.folder.path().join("program");
    fs::write(&program, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let script = b"#!/bin/sh\nexit 8\n".to_vec();
    let scripted = || JobSpec { script: script.clone(), ..command(&[]) };

    fake.send(forbidden(&Sha256::digest(fs::read(program).unwrap()))).await;
    let refused = end(&fake, 1, command(&[program])).await;
    let other = end(&fake, 2, scripted()).await;
    fake.send(forbidden(&Sha256::digest(&script))).await;
    let refused_script = end(&fake, 3, scripted()).await;
    fake.send(Down::Forbidden(Forbidden::default())).await;
    let released = end(&fake, 4, command(&[program])).await;

    for (refused, what) in [(refused, program), (refused_script, "the script")] {
        assert_eq!(refused.started_ms, 0, "{refused:?}");
        let outcome = refused.outcome.unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::Finding, "{outcome:?}");
        assert!(outcome.detail.contains(what), "{outcome:?}");
        assert!(outcome.detail.contains("finding 3 was confirmed: it hashes"), "{outcome:?}");
    }
    let code = |ended: Ended| ended.outcome.unwrap().exit_code;
    assert_eq!((code(other), code(released)), (8, 7));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_tells_of_each_sensor_that_it_has_it_or_why_not() {
    let fake = Fake::start().await;
    let (one, two) = (House::new(&fake), House::new(&fake));
    let agent = one.start();
    fake.linked().await;
    let told = fake.memory().hellos[0].inventory.clone().unwrap();
    agent.stop().await.unwrap();
    let options =
        repower_agent::Options { detector: false, name: Some("n2".into()), ..two.options() };
    let off = Agent::start(options);
    let told_off = fake.until("a hello", |memory| memory.hellos.get(1)?.inventory.clone()).await;
    off.stop().await.unwrap();

    for sensor in ["sensor.connections", "sensor.images", "sensor.registers"] {
        let has = told.abilities.iter().any(|one| one == sensor);
        let lacks = told.lacks.iter().any(|one| one.name == sensor && !one.value.is_empty());
        assert!(has != lacks, "{sensor}: {told:?}");
        assert!(told_off.lacks.iter().any(|one| one.name == sensor), "{told_off:?}");
    }
    assert!(!told_off.abilities.iter().any(|one| one.starts_with("sensor.")), "{told_off:?}");
}

/// What was noticed of processes.
fn noticed(memory: &Memory) -> Vec<Noticed> {
    let all = memory.reports.iter();
    let all = all.filter_map(|one| if let Report::Noticed(told) = one { Some(told) } else { None });
    all.cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_program_is_told_with_evidence_and_a_box_beside_it_is_no_finding() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = Agent::start(Options { detector_pace: 50, ..house.options() });
    fake.linked().await;
    if can(&fake, "isolation.boxed") {
        // Its first process is the agent's own, and runs from memory.
        let honest = JobSpec {
            project: "red".into(),
            isolation: Isolation::Boxed.into(),
            ..shell("while :; do :; done")
        };
        let honest = fake.run(1, honest).await;
        fake.started(honest).await;
    }
    let line = "cp /bin/sleep program; ./program 3600 & rm program; echo $!; wait";

    let other = fake.run(2, shell(line)).await;

    let process = pids(&fake, other, 1).await[0];
    let told = fake.until("something noticed", |memory| noticed(memory).into_iter().next()).await;
    assert_eq!(told.attempt, Some(other));
    let rules: Vec<_> = told.verdicts.iter().map(|one| (one.rule.as_str(), one.tier)).collect();
    assert_eq!(rules, [("executable.deleted", 2)]);
    let text = String::from_utf8(told.evidence.clone()).unwrap();
    assert!(text.len() <= 64 << 10 && text.contains(&format!("process {process} ")), "{text}");
    assert!(told.images.iter().any(|one| one.path.ends_with("program (deleted)") && !one.shared));
    fake.order(vec![stop(other, StopReason::Cancelled)]).await;
    fake.ended(other).await;
    gone(process).await;
    assert!(noticed(&fake.memory()).iter().all(|one| one.attempt == Some(other)));
    agent.stop().await.unwrap();
}

/// A program of the node comes along.
fn with_input(program: &str, path: &str, words: &[&str]) -> JobSpec {
    let url = format!("file://{program}");
    let input = InputFile { url, path: path.into(), executable: true, ..InputFile::default() };
    JobSpec { inputs: vec![input], ..command(words) }
}

/// A shell of the node comes along as `program`, and runs a line.
fn with_program(level: Isolation, line: &str) -> JobSpec {
    let spec = with_input("/bin/sh", "./program", &["./program", "-c", line]);
    JobSpec { project: "red".into(), isolation: level.into(), ..spec }
}

/// What was noticed when another program ran in the place of an input.
async fn changed(fake: &Fake) -> Noticed {
    let is_changed = |verdict: &Verdict| verdict.rule == "executable.changed";
    let is_it = |one: &Noticed| one.verdicts.iter().any(is_changed);
    fake.until("a changed program", |memory| noticed(memory).into_iter().find(is_it)).await
}

async fn cancel(fake: &Fake, all: &[AttemptRef]) {
    fake.order(all.iter().map(|one| stop(*one, StopReason::Cancelled)).collect()).await;
    for one in all {
        assert_eq!(fake.ended(*one).await.outcome.unwrap().kind(), OutcomeKind::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_in_the_place_of_an_input_is_told_also_of_a_box_and_nothing_else_is() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let shares = vec!["/bin".into(), "/usr/bin".into()];
    let agent = Agent::start(Options { detector_pace: 50, shares, ..house.options() });
    fake.linked().await;
    let is_boxed = can(&fake, "isolation.boxed");
    let level = if is_boxed { Isolation::Boxed } else { Isolation::Bare };
    // It runs what it was given, a program of the node, and one that it has built.
    let honest = "/bin/sleep 3600 & cp /bin/sleep built; printf x >> built; ./built 3600 & wait";
    let line = "cp /bin/sleep fresh; mv fresh program; echo $$; ./program 3600 & wait";

    let honest = fake.run(1, with_program(level, honest)).await;
    fake.started(honest).await;
    let other = fake.run(2, with_program(level, line)).await;

    let told = changed(&fake).await;
    assert_eq!(told.attempt, Some(other));
    let verdict = told.verdicts.iter().find(|one| one.rule == "executable.changed").unwrap();
    assert_eq!((verdict.tier, verdict.mechanism.as_str()), (1, "identity"));
    let sleep = Sha256::digest(fs::read("/bin/sleep").unwrap());
    let image = told.images.iter().find(|one| one.path.ends_with("/program")).unwrap();
    assert_eq!((image.digest.as_slice(), image.shared), (sleep.as_slice(), false));
    cancel(&fake, &[honest, other]).await;
    assert!(noticed(&fake.memory()).iter().all(|one| one.attempt == Some(other)));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_in_the_place_of_an_input_is_told_of_a_container() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let shares = vec!["/bin".into(), "/usr/bin".into()];
    let agent = Agent::start(Options { detector_pace: 50, shares, ..house.options() });
    fake.linked().await;
    if !can(&fake, "container.podman") {
        return agent.stop().await.unwrap();
    }
    let image = Image::new();
    let spec = |line: &str| JobSpec {
        image: image.name.clone(),
        ..with_input("/bin/busybox", "busybox", &["./busybox", "sh", "-c", line])
    };
    let line = "./busybox cp busybox fresh; echo x >> fresh; ./busybox mv fresh busybox; \
                ./busybox sleep 3600";

    let honest = fake.run(1, spec("./busybox sleep 3600; true")).await;
    fake.started(honest).await;
    let other = fake.run(2, spec(line)).await;

    assert_eq!(changed(&fake).await.attempt, Some(other));
    cancel(&fake, &[honest, other]).await;
    assert!(noticed(&fake.memory()).iter().all(|one| one.attempt == Some(other)));
    agent.stop().await.unwrap();
}

/// Which process traces another; 0: none.
fn tracer(process: i32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    line.unwrap().trim().parse().unwrap()
}

/// The processor time that a process has used, in ticks.
fn ticks(process: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    fields.split(' ').nth(11).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_looks_at_while_it_is_killed_runs_on() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let start = || {
        let options = house.options();
        let mut program = Command::new(PROGRAM);
        program.arg("agent").arg(options.data).arg(options.join.unwrap()).arg("50");
        Process::start(&mut program)
    };
    let mut agent = start();
    fake.linked().await;
    if !can(&fake, "sensor.registers") {
        return;
    }
    let attempt = fake.run(1, shell("echo $$; while :; do :; done")).await;
    let process = pids(&fake, attempt, 1).await[0];

    let caught = tokio::task::spawn_blocking(move || (0..10_000_000).any(|_| tracer(process) != 0));
    assert!(caught.await.unwrap(), "nobody has looked at it");
    agent.kill();

    assert_eq!(tracer(process), 0);
    let before = ticks(process);
    let ran_on =
        tokio::task::spawn_blocking(move || (0..10_000_000).any(|_| ticks(process) > before));
    assert!(ran_on.await.unwrap(), "it stands still");
    let _next = start();
    fake.until("the next agent", |memory| (memory.hellos.len() == 2).then_some(())).await;
    fake.order(vec![stop(attempt, StopReason::Cancelled)]).await;
    assert_eq!(fake.ended(attempt).await.outcome.unwrap().kind(), OutcomeKind::Cancelled);
}

/// A program that ends with 7, and takes some time to be read: there is nothing behind its two lines.
fn long_program(house: &House, name: &str, mib: u64) -> String {
    let path = house.folder.path().join(name);
    fs::write(&path, "#!/bin/sh\nexit 7\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(mib << 20).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_while_long_programs_are_compared_with_what_is_in_quarantine() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = Agent::start(Options { cpus: Some(16), ..house.options() });
    let programs: Vec<_> =
        (1..=8).map(|number| long_program(&house, &format!("long-{number}"), 8)).collect();
    fake.send(forbidden(&[7; 32])).await;

    let longs: Vec<_> = (1..=8).map(|job| attempt(job, 0)).collect();
    let quick = attempt(9, 0);
    let mut orders: Vec<_> = (1..=8)
        .zip(&programs)
        .map(|(job, program)| define(job, command(&[program])))
        .chain([define(9, command(&["true"]))])
        .collect();
    orders.extend(longs.iter().chain([&quick]).map(|one| start(*one)));
    fake.order(orders).await;
    for one in &longs {
        assert_eq!(fake.ended(*one).await.outcome.unwrap().exit_code, 7);
    }

    let is_end = |report: &Report, of| matches!(report, Report::Ended(one) if one.attempt == of);
    let place = |of| fake.memory().reports.iter().position(|one| is_end(one, Some(of))).unwrap();
    assert!(longs.iter().all(|long| place(quick) < place(*long)), "{:?}", fake.memory().reports);
    fake.send(forbidden(&Sha256::digest(fs::read(&programs[0]).unwrap()))).await;
    let refused = end(&fake, 10, command(&[&programs[0]])).await.outcome.unwrap();
    assert_eq!(refused.kind(), OutcomeKind::Finding, "{refused:?}");
    agent.stop().await.unwrap();
}
