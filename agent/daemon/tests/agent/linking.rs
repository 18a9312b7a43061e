//! The link breaks and comes back, and nothing is lost or doubled.

use repower_agent::Error;
use repower_proto::v1::order::Body as OrderBody;
use repower_proto::v1::report::Body as Report;
use repower_proto::v1::{Dismissed, Forget, OutcomeKind, Stream};

use crate::fake::Fake;
use crate::house::{House, gone};
use crate::memory::Memory;
use crate::orders::{attempt, command, define, shell, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_message_says_who_and_what_the_agent_is() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();

    fake.linked().await;

    let hello = fake.memory().hellos[0].clone();
    let inventory = hello.inventory.unwrap();
    let capacity = inventory.capacity.unwrap();
    assert_eq!((hello.protocol, hello.instance.len(), hello.held.len()), (1, 16, 0));
    assert_eq!((capacity.cpu_milli, capacity.memory_bytes), (2000, 4096 << 20));
    assert!(!inventory.hostname.is_empty() && !inventory.kernel.is_empty());
    assert!(
        inventory.sockets >= 1 && !inventory.isa_level.is_empty() && !inventory.version.is_empty()
    );
    fake.until("heartbeats", |memory| (memory.heartbeats > 2).then_some(())).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_on_while_the_link_is_down_and_their_ends_are_reported_after() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;

    let flag = house.folder.path().join("go");
    let line =
        format!("echo $$; while ! [ -e {} ]; do sleep 0.02; done; echo done", flag.display());
    let running = attempt(1, 0);
    let waiting = [attempt(1, 1), attempt(1, 2)];
    fake.order(vec![define(1, shell(&line)), start(running), start(waiting[0]), start(waiting[1])])
        .await;
    let first_line =
        |memory: &mut Memory| memory.output(running, Stream::Stdout).contains(&b'\n').then_some(());
    fake.until("the first line", first_line).await;
    fake.memory().away = true;
    fake.cut();
    std::fs::write(&flag, "").unwrap();
    fake.memory().away = false;
    fake.until("a second hello", |memory| (memory.hellos.len() > 1).then_some(())).await;

    for attempt in [running, waiting[0], waiting[1]] {
        let outcome = fake.ended(attempt).await.outcome.unwrap();
        assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0));
        assert!(fake.memory().output(attempt, Stream::Stdout).ends_with(b"\ndone\n"));
    }
    let hellos = fake.memory().hellos.clone();
    assert_eq!(hellos[0].instance, hellos[1].instance);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_many_breaks_every_report_arrives_once_and_in_order() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    fake.memory().withhold = true;

    fake.order(vec![define(1, shell("echo some words"))]).await;
    fake.order((0..300).map(|index| start(attempt(1, index))).collect()).await;
    let count = |memory: &Memory| {
        memory.reports.iter().filter(|report| matches!(report, Report::Ended(_))).count()
    };
    for part in 1..=5 {
        fake.until("a part of the ends", |memory| (count(memory) >= part * 40).then_some(())).await;
        let hellos = fake.memory().hellos.len();
        fake.cut();
        fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    }
    fake.memory().withhold = false;
    fake.until("all ends", |memory| (count(memory) == 300).then_some(())).await;

    // The memory itself panics at gaps, and drops what came again.
    assert!(fake.memory().again > 0);
    let held = fake.memory().hellos.last().unwrap().held.len();
    assert!(held >= 100, "what is not acknowledged is held");
    for index in 0..300 {
        let output = fake.memory().output(attempt(1, index), Stream::Stdout);
        assert_eq!(output, b"some words\n");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_start_what_is_known_changes_nothing() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    fake.memory().withhold = true;

    let one = attempt(1, 0);
    fake.order(vec![define(1, command(&["true"])), start(one), start(one)]).await;
    fake.ended(one).await;
    let other = attempt(2, 0);
    fake.order(vec![
        start(one),
        OrderBody::Forget(Forget { job: 1 }),
        define(2, command(&["true"])),
        start(other),
    ])
    .await;
    fake.ended(other).await;

    let ends =
        |report: &&Report| matches!(report, Report::Ended(ended) if ended.attempt == Some(one));
    assert_eq!(fake.memory().reports.iter().filter(ends).count(), 1);
    fake.memory().withhold = false;
    fake.cut();
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_dismissal_ends_the_agent_and_its_tasks() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = house.start();

    let running = fake.run(1, shell("echo $$; exec sleep 300")).await;
    let process = fake
        .until("a pid", |memory| {
            let text = String::from_utf8(memory.output(running, Stream::Stdout)).unwrap();
            text.trim().parse::<i32>().ok()
        })
        .await;
    let dismissed = Dismissed { reason: "the node was removed".into(), r#final: true };
    fake.send(repower_proto::v1::to_agent::Body::Dismissed(dismissed)).await;
    let error = agent.end().await.unwrap_err();

    assert!(matches!(&error, Error::Dismissed { reason } if reason == "the node was removed"));
    gone(process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dismissal_that_is_not_final_is_followed_by_another_try() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    fake.memory().dismiss = Some(Dismissed { reason: "not the leader".into(), r#final: false });
    let agent = house.start();

    fake.until("two hellos", |memory| (memory.hellos.len() > 1).then_some(())).await;
    fake.memory().dismiss = None;
    let attempt = fake.run(1, command(&["true"])).await;

    assert_eq!(fake.ended(attempt).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}
