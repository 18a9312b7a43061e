//! How containers end, stand still, and outlive their agent.

use std::process::Command;

use repower_proto::v1::{JobSpec, OutcomeKind, StopReason};

use super::{World, boxed, groups, name_of, until_no_containers};
use crate::boxes::{can, with_memory};
use crate::fake::Fake;
use crate::freezing::{freeze, thaw, until_still};
use crate::house::{House, gone};
use crate::image::{Image, run};
use crate::killed::{executor, kill, pids, spawn};
use crate::orders::{command, shell, stop};

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
