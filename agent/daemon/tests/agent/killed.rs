//! An agent that is killed leaves nothing behind for long.

use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

use repower_agent::Options;
use repower_proto::v1::Stream;

use crate::fake::Fake;
use crate::house::{House, entries, gone, runs};
use crate::orders::{command, shell};

/// The options of the agent process, as JSON would be too much: its data folder and its join file.
const DATA: &str = "AGENT_TEST_DATA";
const JOIN: &str = "AGENT_TEST_JOIN";

#[test]
#[ignore = "it is the agent of the other tests, as a process of its own"]
fn agent_process() {
    let variable = |name| std::env::var_os(name).map(OsString::into_string).unwrap().unwrap();
    let options = Options {
        data: variable(DATA).into(),
        join: Some(variable(JOIN).into()),
        name: Some("n1".into()),
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(repower_agent::run(options, std::future::pending())).unwrap();
}

/// A process that does not outlive the test, however that ends.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts this very program as an agent.
fn spawn(house: &House) -> Process {
    let options = house.options();
    let program = std::env::current_exe().unwrap();
    Process::start(
        Command::new(program)
            .args(["--exact", "killed::agent_process", "--ignored", "--nocapture"])
            .env(DATA, options.data)
            .env(JOIN, options.join.unwrap()),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_agent_has_left_is_killed_at_its_next_start() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    let bystander = Process::start(Command::new("sleep").arg("300"));

    let line = "touch mess; (setsid sleep 300 & echo $!); echo $$; exec sleep 300";
    let attempt = fake.run(1, shell(line)).await;
    let pids = fake
        .until("two pids", |memory| {
            let text = String::from_utf8(memory.output(attempt, Stream::Stdout)).unwrap();
            let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
            (pids.len() == 2).then_some(pids)
        })
        .await;
    agent.kill();
    assert!(pids.iter().all(|pid| runs(*pid)), "tasks die only with their agent's next start");
    fake.cut();
    let hellos = fake.memory().hellos.len();
    let next = spawn(&house);
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;

    for pid in pids {
        gone(pid).await;
    }
    assert!(runs(i32::try_from(bystander.0.id()).unwrap()));
    let all = fake.memory().hellos.clone();
    assert_ne!(all[0].instance, all[hellos].instance);
    assert!(all[hellos].held.is_empty());
    assert!(entries(&house.data().join("work")).is_empty());
    let after = fake.run(2, command(&["true"])).await;
    assert_eq!(fake.ended(after).await.outcome.unwrap().exit_code, 0);
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_agent_is_small() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    let attempt = fake.run(1, command(&["true"])).await;
    fake.ended(attempt).await;

    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.0.id())).unwrap();
    agent.kill();

    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 20 << 10, "{line}");
}
