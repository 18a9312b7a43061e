//! Tasks that reach named places and nothing else, through the agent and its executor.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use repower_proto::v1::{AttemptRef, Egress, EgressKind, JobSpec, Outcome, OutcomeKind, Stream};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::House;
use crate::image::Image;
use crate::killed::{executor, spawn};
use crate::orders::command;

/// A listener that nobody else uses, and its port.
fn place() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Says a word to everybody who comes; returns at which port.
fn speaker(word: &'static str) -> u16 {
    let (listener, port) = place();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(word.as_bytes()));
        }
    });
    port
}

fn only(places: &[String], spec: JobSpec) -> JobSpec {
    let egress = Egress { kind: EgressKind::Only.into(), only: places.to_vec() };
    JobSpec { project: "red".into(), egress: Some(egress), ..spec }
}

fn bash(line: &str) -> JobSpec {
    command(&["/bin/bash", "-c", line])
}

/// A line of bash that says what it hears at a place, or why it hears nothing.
fn hear(host: &str, port: u16) -> String {
    format!("(exec 3<>/dev/tcp/{host}/{port} && timeout 20 cat <&3) 2>&1")
}

fn said(fake: &Fake, attempt: AttemptRef) -> String {
    String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap()
}

async fn outcome(fake: &Fake, attempt: AttemptRef) -> Outcome {
    fake.ended(attempt).await.outcome.unwrap()
}

/// What of the carrying of connections an executor still has: its threads, and its sockets of networks.
fn left(executor: i32) -> usize {
    let all = |folder: &str| std::fs::read_dir(format!("/proc/{executor}/{folder}")).unwrap();
    let threads = all("task").filter(|one| {
        let comm = one.as_ref().unwrap().path().join("comm");
        std::fs::read_to_string(comm).is_ok_and(|name| name.trim() == "carrier")
    });
    let networks = all("fd").filter(|one| {
        let target = std::fs::read_link(one.as_ref().unwrap().path());
        target.is_ok_and(|target| target.to_string_lossy().starts_with("net:"))
    });
    threads.count() + networks.count()
}

/// Waits until an executor carries nothing any more. It looks again and again: nothing tells of the end of a
/// thread of another process.
async fn until_nothing_is_left(executor: i32) {
    for _ in 0..3000 {
        if left(executor) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("something of the carrying of connections is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_reaches_what_is_named_by_its_name_and_nothing_else() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "egress.allow-list") {
        return agent.stop().await.unwrap();
    }
    let (listed, other) = (speaker("listed\n"), speaker("other\n"));

    let tries = [hear("localhost", listed), hear("127.0.0.1", other), hear("192.0.2.1", 80)];
    let line = format!(
        "{}; getent hosts nobody.example || echo no name; cat /etc/hosts; \
         grep -c . /proc/net/dev; id -u; ls {}/scripts 2>/dev/null | wc -l",
        tries.join("; "),
        house.data().display()
    );
    let spec = only(&[format!("localhost:{listed}")], bash(&line));
    let attempt = fake.run(1, spec).await;
    let outcome = outcome(&fake, attempt).await;

    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    let said = said(&fake, attempt);
    assert!(said.starts_with("listed\n"), "{said}");
    for words in ["Connection refused", "Network is unreachable", "no name\n127.0.0.1 localhost\n"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("other"), "{said}");
    let numbers: Vec<u32> = said.lines().rev().take(3).map(|one| one.parse().unwrap()).collect();
    // Two lines of headings, and loopback.
    assert_eq!((numbers[2], numbers[0]), (3, 0), "{said}");
    assert!(numbers[1] >= 200_000, "it is a user of its own: {said}");
    until_nothing_is_left(executor(&house)).await;
    let left = std::fs::read_dir(house.data().join("scripts")).unwrap().count();
    assert_eq!(left, 0, "its list of hosts is gone");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_place_is_heard_at_once_and_a_name_that_is_none_ends_the_start() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "egress.allow-list") {
        return agent.stop().await.unwrap();
    }
    let (listener, dead) = place();
    drop(listener);

    let dead = only(&[format!("127.0.0.1:{dead}")], bash(&hear("127.0.0.1", dead)));
    let dead = fake.run(1, dead).await;
    let unknown = only(&["no-such-host.invalid:80".into()], bash("true"));
    let unknown = fake.run(2, unknown).await;
    let many = only(&["255.255.255.255:80".into()], bash("true"));
    let many = fake.run(3, many).await;

    let ended = outcome(&fake, dead).await;
    assert_eq!((ended.kind(), ended.exit_code), (OutcomeKind::Exited, 1), "{ended:?}");
    assert!(said(&fake, dead).contains("Connection reset by peer"), "{}", said(&fake, dead));
    for (attempt, words) in [
        (unknown, "no-such-host.invalid:80 cannot be found from this node"),
        (many, "255.255.255.255:80 is no address that a task could connect to"),
    ] {
        let outcome = outcome(&fake, attempt).await;
        assert_eq!(outcome.kind(), OutcomeKind::NotStarted, "{outcome:?}");
        assert!(outcome.detail.contains(words), "{outcome:?}");
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_outlives_the_agent_and_ends_with_its_task() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    fake.linked().await;
    if !can(&fake, "egress.allow-list") {
        return;
    }
    let (listener, port) = place();

    let line = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; echo $$ >&3; while read -r word <&3; do echo $word; echo heard >&3; done"
    );
    let attempt = fake.run(1, only(&[format!("127.0.0.1:{port}")], bash(&line))).await;
    let (stream, _) =
        tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
    let mut far = stream;
    let mut tell = |word: &str| {
        far.write_all(word.as_bytes()).unwrap();
        let mut answer = [0; 64];
        far.read(&mut answer).unwrap()
    };
    assert!(tell("one\n") > 0);
    agent.kill();
    assert!(tell("two\n") > 0, "it is carried while there is no agent");
    let hellos = fake.memory().hellos.len();
    let mut agent = spawn(&house);
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    assert!(tell("three\n") > 0);
    far.shutdown(std::net::Shutdown::Both).unwrap();

    assert_eq!(outcome(&fake, attempt).await.exit_code, 0);
    assert_eq!(said(&fake, attempt), "one\ntwo\nthree\n");
    until_nothing_is_left(executor(&house)).await;
    agent.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_without_a_network_is_in_a_box_and_does_not_leave_for_that_of_the_node() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "isolation.sealed") || !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    let outside = std::fs::read_link("/proc/self/ns/net").unwrap();

    // As a ledger has it of a scheduler that asked for no box.
    let line = "id -u; for f in /proc/[0-9]*; do nsenter --net=$f/ns/net readlink /proc/self/ns/net; done; readlink /proc/self/ns/net";
    let alone = Egress { kind: EgressKind::None.into(), only: Vec::new() };
    let spec = JobSpec { project: "red".into(), egress: Some(alone), ..bash(line) };
    let attempt = fake.run(1, spec).await;

    assert_eq!(outcome(&fake, attempt).await.exit_code, 0);
    let said = said(&fake, attempt);
    assert!(said.lines().next().unwrap().parse::<u32>().unwrap() >= 200_000, "{said}");
    assert!(said.contains("net:[") && !said.contains(outside.to_str().unwrap()), "{said}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_reaches_what_is_named_and_nothing_else() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "container.podman") || !can(&fake, "container.allow-list") {
        return agent.stop().await.unwrap();
    }
    let image = Image::new();
    let (listed, other) = (speaker("listed\n"), speaker("other\n"));

    let nc = |host: &str, port: u16| format!("busybox nc {host} {port} </dev/null 2>&1");
    let line = format!(
        "{}; {}; {}; busybox nslookup nobody.example >/dev/null 2>&1 || echo no name; cat /etc/hosts; ls /sys/class/net; id -u",
        nc("localhost", listed),
        nc("127.0.0.1", other),
        nc("192.0.2.1", 80),
    );
    let spec = only(&[format!("localhost:{listed}")], command(&["/bin/sh", "-c", &line]));
    let attempt = fake.run(1, JobSpec { image: image.name.clone(), ..spec }).await;
    let outcome = outcome(&fake, attempt).await;

    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 0), "{outcome:?}");
    let said = said(&fake, attempt);
    assert!(said.starts_with("listed\n"), "{said}");
    for words in ["refused", "nreachable", "no name\n127.0.0.1 localhost\n::1 localhost\nlo\n2"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("other"), "{said}");
    until_nothing_is_left(executor(&house)).await;
    agent.stop().await.unwrap();
}
