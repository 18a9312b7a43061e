//! Agents and executors of different builds, and of different protocols.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread::JoinHandle;

use repower_agent::Options;
use repower_proto::v1::from_executor::Body as Up;
use repower_proto::v1::to_executor::Body as Down;
use repower_proto::v1::{
    Attach, AttemptRef, FromExecutor, Greeting, Holding, Resources, Standing, Succession, TellHeld,
    ToExecutor,
};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{Agent, House, PROGRAM, gone, runs};
use crate::killed::{Process, executor, pids, spawn};
use crate::orders::{command, shell};

/// Says something to who is at the other end.
fn say(socket: &mut UnixStream, message: &impl prost::Message) {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    // It may have closed the connection.
    drop(socket.write_all(&[&length[..], &bytes].concat()));
}

/// The next message; `None`: the connection is closed.
fn hear<M: prost::Message + Default>(socket: &mut UnixStream) -> Option<M> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
    socket.read_exact(&mut bytes).ok()?;
    Some(M::decode(&bytes[..]).unwrap())
}

/// What no build has ever said.
#[derive(Clone, PartialEq, prost::Message)]
struct Novelty {
    #[prost(string, tag = "1023")]
    what: String,
}

/// An agent of another build, in so far as its executor can tell.
struct Stranger(UnixStream);

impl Stranger {
    /// Attaches to the executor of a house, which must have no agent; returns what that says of itself, too.
    fn attach(house: &House, protocol: u32) -> (Self, u32) {
        let (mut stranger, greeting) = loop {
            let mut stranger =
                Self(UnixStream::connect(house.data().join("executor/socket")).unwrap());
            // It may not have noticed yet that the agent before is gone.
            match stranger.hear() {
                Some(Up::Greeting(greeting)) => break (stranger, greeting),
                Some(other) => panic!("it does not greet: {other:?}"),
                None => std::thread::yield_now(),
            }
        };
        let capacity = Some(Resources { cpu_milli: 4000, ..Resources::default() });
        stranger.say(Down::Attach(Attach {
            protocol,
            version: "9.9.9+another".into(),
            node: "n1".into(),
            capacity,
            backlog_bytes: 1 << 20,
            ..Attach::default()
        }));
        (stranger, greeting.protocol)
    }

    fn say(&mut self, body: Down) {
        say(&mut self.0, &ToExecutor { body: Some(body) });
    }

    fn hear(&mut self) -> Option<Up> {
        hear::<FromExecutor>(&mut self.0)?.body
    }

    /// The attempts that the executor holds; `None`: it has closed the connection.
    fn held(&mut self) -> Option<Vec<AttemptRef>> {
        self.say(Down::TellHeld(TellHeld {}));
        loop {
            if let Up::Holding(holding) = self.hear()? {
                return Some(holding.held);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_sends_an_agent_of_another_protocol_away_and_takes_one_of_another_build() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut agent = spawn(&house);
    fake.linked().await;
    let go = house.folder.path().join("go");
    let line = format!("echo $$; until [ -e {} ]; do sleep 0.02; done; exit 8", go.display());
    let attempt = fake.run(1, shell(&line)).await;
    let task = pids(&fake, attempt, 1).await[0];
    let lives = executor(&house);
    agent.kill();

    let (mut other, ours) = Stranger::attach(&house, 2);
    let refused = other.held();
    let (mut newer, _) = Stranger::attach(&house, ours);
    let held = newer.held();
    // What a later build may ask for, and this one has never heard of.
    say(&mut newer.0, &Novelty { what: "later".into() });
    let still = newer.held();
    drop((other, newer));
    let next = spawn(&house);
    fake.until("another hello", |memory| (memory.hellos.len() > 1).then_some(())).await;

    assert_eq!((ours, refused), (1, None), "it is told nothing");
    assert_eq!((held, still), (Some(vec![attempt]), Some(vec![attempt])));
    assert!(runs(task) && executor(&house) == lives, "nothing has become of its task");
    let hellos = fake.memory().hellos.clone();
    assert_eq!((&hellos[1].instance, &hellos[1].held), (&hellos[0].instance, &vec![attempt]));
    std::fs::write(go, "").unwrap();
    let outcome = fake.ended(attempt).await.outcome.unwrap();
    assert_eq!(outcome.exit_code, 8, "{outcome:?}");
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_told_to_replaces_an_executor_that_it_does_not_understand() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let mut stranger = Command::new(PROGRAM);
    stranger.arg("executor-of-another-protocol").arg(house.data());
    let mut stranger = Process::start(&mut stranger);
    while UnixStream::connect(house.data().join("executor/socket")).is_err() {
        tokio::task::yield_now().await;
    }
    let id = executor(&house);

    let error = Agent::start(house.options()).end().await.unwrap_err();
    let spared = runs(id);
    let agent = Agent::start(Options { replace_executor: true, ..house.options() });
    let attempt = fake.run(1, command(&["true"])).await;
    let outcome = fake.ended(attempt).await.outcome.unwrap();

    assert!(error.to_string().contains("speaks protocol 2, and this agent 1"), "{error}");
    assert!(spared, "it is not killed unasked");
    gone(id).await;
    stranger.kill();
    assert_eq!(outcome.exit_code, 0);
    assert_ne!(executor(&house), id);
    agent.stop().await.unwrap();
}

/// An executor of a build that knew nothing of the users of projects: it has nothing to do, and gives way.
fn older(house: &House) -> JoinHandle<()> {
    let folder = house.data().join("executor");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    std::thread::spawn(move || {
        let (mut agent, _) = listener.accept().unwrap();
        let (instance, version) = (vec![7; 16], "0.0.1+older".to_owned());
        let mut up = agent.try_clone().unwrap();
        let mut tell = |body| say(&mut up, &FromExecutor { body: Some(body) });
        let known =
            Greeting { protocol: 1, version, instance: instance.clone(), ..Greeting::default() };
        tell(Up::Greeting(known));
        while let Some(message) = hear::<ToExecutor>(&mut agent) {
            if let Some(Down::TellHeld(_)) = message.body {
                tell(Up::Holding(Holding::default()));
            } else if let Some(Down::LinkUp(_)) = message.body {
                let rests = Standing { idle: true, settled: true, ..Standing::default() };
                tell(Up::Standing(rests));
            } else if let Some(Down::End(_)) = message.body {
                return tell(Up::Succession(Succession { instance, next: 1 }));
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_executor_lives_that_would_run_everybody_as_root_the_node_does_not_say_that_it_can_do_otherwise()
 {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    std::fs::set_permissions(house.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let older = older(&house);
    let agent = house.start();
    fake.until("its successor", |memory| (memory.hellos.len() > 1).then_some(())).await;
    if !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }

    let hellos = fake.memory().hellos.clone();
    let of = |at: usize| {
        let all = hellos[at].inventory.as_ref().unwrap().abilities.iter();
        all.filter(|name| name.starts_with("isolation.")).cloned().collect::<Vec<_>>()
    };
    assert!(!of(0).contains(&"isolation.bare".to_owned()), "{:?}", of(0));
    assert!(of(1).contains(&"isolation.bare".to_owned()), "{:?}", of(1));
    let but_that: Vec<_> = of(1).into_iter().filter(|name| name != "isolation.bare").collect();
    assert_eq!(of(0), but_that, "boxes are made by what it has");
    older.join().unwrap();
    agent.stop().await.unwrap();
}
