//! An agent that is killed, or its executor.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use repower_agent::{Error, OnTerminate};
use repower_proto::v1::report::Body as Report;
use repower_proto::v1::{
    AttemptRef, FromExecutor, Greeting, OutcomeKind, Stream, Welcome, from_executor,
};

use crate::fake::{Fake, terms};
use crate::house::{Agent, House, PROGRAM, entries, gone, now, runs};
use crate::orders::{attempt, command, define, shell, start};

/// A process that does not outlive the test, however that ends.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        // It may have been killed before.
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts an agent.
pub(crate) fn spawn(house: &House) -> Process {
    let options = house.options();
    Process::start(Command::new(PROGRAM).arg("agent").arg(options.data).arg(options.join.unwrap()))
}

/// The pids that a task has printed, when there are `count`.
pub(crate) async fn pids(fake: &Fake, attempt: AttemptRef, count: usize) -> Vec<i32> {
    fake.until("pids", |memory| {
        let text = String::from_utf8(memory.output(attempt, Stream::Stdout)).unwrap();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == count).then_some(pids)
    })
    .await
}

/// The process of the executor.
pub(crate) fn executor(house: &House) -> i32 {
    let text = std::fs::read_to_string(house.data().join("executor/lock")).unwrap();
    text.trim().parse().unwrap()
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_outlive_a_killed_agent_and_nothing_of_them_is_lost_or_doubled() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    fake.linked().await;

    let flag = house.folder.path().join("go");
    let line = format!(
        "i=0; until [ -e {} ]; do i=$((i+1)); echo $i; sleep 0.005; done; echo end $i >&2; \
         exit $((10 + REPOWER_TASK_INDEX))",
        flag.display()
    );
    let attempts: Vec<_> = (0..4).map(|index| attempt(1, index)).collect();
    fake.order(vec![define(1, shell(&line))]).await;
    fake.order(attempts.iter().map(|one| start(*one)).collect()).await;
    for _ in 0..3 {
        for attempt in &attempts {
            let before = fake.memory().output(*attempt, Stream::Stdout).len();
            fake.until("more output", |memory| {
                (memory.output(*attempt, Stream::Stdout).len() > before + 20).then_some(())
            })
            .await;
        }
        let hellos = fake.memory().hellos.len();
        agent.kill();
        agent = spawn(&house);
        fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    }
    agent.kill();
    // These end while there is no agent.
    std::fs::write(flag, "").unwrap();
    let agent = spawn(&house);

    for (code, one) in (10..).zip(&attempts) {
        let ended = fake.ended(*one).await;
        let memory = fake.memory();
        assert_eq!(ended.outcome.unwrap().exit_code, code);
        let text = String::from_utf8(memory.output(*one, Stream::Stdout)).unwrap();
        let last: u32 = text.lines().last().unwrap().parse().unwrap();
        assert!((1..=last).map(|number| number.to_string()).eq(text.lines()), "{text}");
        assert_eq!(memory.output(*one, Stream::Stderr), format!("end {last}\n").as_bytes());
        assert!(ended.usage.unwrap().cpu_us > 0);
    }
    let hellos = fake.memory().hellos.clone();
    assert!(hellos.iter().all(|hello| hello.instance == hellos[0].instance));
    assert_eq!(hellos[1].held.len(), 4);
    let ends = |report: &&Report| matches!(report, Report::Ended(_));
    assert_eq!(fake.memory().reports.iter().filter(ends).count(), 4);
    drop(agent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_executor_takes_its_tasks_with_it_and_the_agent_says_so() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    let bystander = Process::start(Command::new("sleep").arg("300"));

    let line = "touch mess; (setsid sleep 300 & echo $!); echo $$; exec sleep 300";
    let attempt = fake.run(1, shell(line)).await;
    let pids = pids(&fake, attempt, 2).await;
    let killed = executor(&house);
    kill(killed);
    fake.until("another hello", |memory| (memory.hellos.len() > 1).then_some(())).await;

    for pid in pids {
        gone(pid).await;
    }
    assert!(runs(i32::try_from(bystander.0.id()).unwrap()));
    let hellos = fake.memory().hellos.clone();
    assert_ne!(hellos[0].instance, hellos[1].instance, "to the scheduler, all is lost");
    assert!(hellos[1].held.is_empty());
    assert_ne!(executor(&house), killed);
    assert!(entries(&house.data().join("work")).is_empty());
    let after = fake.run(2, command(&["true"])).await;
    assert_eq!(fake.ended(after).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_and_an_executor_that_are_killed_together_leave_what_the_next_agent_kills() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);

    let line = "(setsid sleep 300 & echo $!); echo $$; exec sleep 300";
    let attempt = fake.run(1, shell(line)).await;
    let pids = pids(&fake, attempt, 2).await;
    agent.kill();
    kill(executor(&house));
    let hellos = fake.memory().hellos.len();
    let next = spawn(&house);
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;

    for pid in pids {
        gone(pid).await;
    }
    assert!(fake.memory().hellos[hellos].held.is_empty());
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_whose_folder_is_gone_kills_its_tasks_and_ends() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);

    let attempt = fake.run(1, shell("(setsid sleep 300 & echo $!); echo $$; exec sleep 300")).await;
    let pids = pids(&fake, attempt, 2).await;
    let executor = executor(&house);
    agent.kill();
    assert!(runs(executor) && pids.iter().all(|pid| runs(*pid)));
    drop(house);

    gone(executor).await;
    for pid in pids {
        gone(pid).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_agent_for_the_lease_the_executor_ends_its_tasks_and_keeps_the_reports() {
    let fake = Fake::start_with(Welcome { lease_ms: 3000, ..terms() }).await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);

    let line = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
    let attempt = fake.run(1, shell(line)).await;
    let pids = pids(&fake, attempt, 1).await;
    let lost = now();
    agent.kill();
    gone(pids[0]).await;
    assert!(lost.elapsed() < Duration::from_secs(3), "the lease was over before the task");
    fake.cut();
    let next = spawn(&house);

    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!(outcome.kind(), OutcomeKind::Lost);
    assert!(outcome.detail.contains("lease"), "{}", outcome.detail);
    let hellos = fake.memory().hellos.clone();
    assert_eq!(hellos[0].instance, hellos.last().unwrap().instance);
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_may_end_the_agent_and_keep_its_tasks() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let options = || repower_agent::Options { on_terminate: OnTerminate::Keep, ..house.options() };
    let agent = Agent::start(options());

    let attempt = fake.run(1, shell("echo $$; exec sleep 300")).await;
    let pids = pids(&fake, attempt, 1).await;
    agent.terminate().await.unwrap();
    assert!(runs(pids[0]));
    assert!(fake.memory().goodbyes.is_empty());
    let hellos = fake.memory().hellos.len();
    let agent = Agent::start(options());
    fake.until("the next hello", |memory| (memory.hellos.len() > hellos).then_some(())).await;
    assert_eq!(fake.memory().hellos[hellos].held, [attempt]);
    agent.stop().await.unwrap();

    assert!(!runs(pids[0]), "a person at the terminal ends all of it");
    gone(executor(&house)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_data_folder_has_one_executor_and_nobody_starts_one_by_hand() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let agent = house.start();
    fake.linked().await;
    let living = executor(&house);
    let by = |input: Stdio| {
        let mut command = Command::new(PROGRAM);
        command.arg("executor").arg(house.data()).stdin(input).output().unwrap()
    };

    let by_hand = by(Stdio::null());
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let second = by(std::os::fd::OwnedFd::from(socket).into());

    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!by_hand.status.success() && said(&by_hand).contains("by its agent only"));
    assert!(!second.status.success() && said(&second).contains("already has an executor"));
    assert_eq!(executor(&house), living);
    let after = fake.run(1, command(&["true"])).await;
    assert_eq!(fake.ended(after).await.outcome.unwrap().exit_code, 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_of_another_protocol_is_left_alone_and_the_agent_says_what_to_do() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let folder = house.data().join("executor");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let greeting = Greeting {
        protocol: 2,
        version: "9.9.9".into(),
        instance: vec![7; 16],
        ..Greeting::default()
    };
    let message = FromExecutor { body: Some(from_executor::Body::Greeting(greeting)) };
    let bytes = prost::Message::encode_to_vec(&message);
    let far = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&u32::try_from(bytes.len()).unwrap().to_le_bytes()).unwrap();
        socket.write_all(&bytes).unwrap();
        let mut said = Vec::new();
        socket.read_to_end(&mut said).unwrap();
        said
    });

    let error = Agent::start(house.options()).end().await.unwrap_err();

    assert!(matches!(error, Error::OtherProtocol { theirs: 2, ours: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("9.9.9") && error.hint().contains("--replace-executor"));
    assert_eq!(far.join().unwrap(), b"", "it was asked for nothing");
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
