//! An agent that starts no process: it does what it is told, step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use repower_proto::v1;
use repower_proto::v1::agents_client::AgentsClient;
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::order::Body as Ordered;
use repower_proto::v1::report::Body as Told;
use repower_proto::v1::to_agent::Body as Down;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Identity;
use tonic::{Status, Streaming};

use crate::world::World;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent that starts no process.
pub(crate) struct Agent {
    pub(crate) node: u32,
    pub(crate) identity: (String, String),
    pub(crate) instance: [u8; 16],
    pub(crate) cpus: u64,
    pub(crate) defined: BTreeMap<u64, v1::Define>,
    /// Orders that have come and were not looked at.
    pub(crate) orders: Vec<Ordered>,
    pub(crate) acknowledged: u64,
    next: u64,
    link: Option<(mpsc::Sender<v1::FromAgent>, Streaming<v1::ToAgent>)>,
}

impl Agent {
    /// Trades a join token for a certificate.
    pub(crate) async fn enrol(
        world: &World,
        secret: &str,
        name: &str,
        cpus: u64,
    ) -> Result<Self, Status> {
        let key = KeyPair::generate().expect("a key");
        let request = CertificateParams::default().serialize_request(&key).expect("a request");
        let request = v1::EnrolRequest {
            secret: secret.to_owned(),
            name: name.to_owned(),
            request_pem: request.pem().expect("PEM"),
        };
        let reply = AgentsClient::new(world.channel().await).enrol(request).await?.into_inner();
        Ok(Self::of(reply.node, (reply.certificate_pem, key.serialize_pem()), cpus))
    }

    /// Opens a link, says hello, and waits for the welcome.
    pub(crate) async fn link(&mut self, world: &World, held: &[v1::AttemptRef]) -> v1::Welcome {
        self.dial(world, held).await;
        match self.message().await {
            Down::Welcome(welcome) => welcome,
            other => panic!("no welcome, but {other:?}"),
        }
    }

    /// Opens a link and says hello.
    pub(crate) async fn dial(&mut self, world: &World, held: &[v1::AttemptRef]) {
        let (certificate, key) = &self.identity;
        let channel = world.connect(Some(Identity::from_pem(certificate, key))).await;
        let (sender, receiver) = mpsc::channel(16);
        let capacity = v1::Resources {
            cpu_milli: self.cpus * 1000,
            memory_bytes: 8 << 30,
            disk_bytes: 8 << 30,
            extras: Vec::new(),
        };
        let abilities = vec!["isolation.bare".to_owned(), "limit.memory".to_owned()];
        let inventory =
            v1::Inventory { capacity: Some(capacity), abilities, ..v1::Inventory::default() };
        let hello = v1::Hello {
            protocol: 1,
            instance: self.instance.to_vec(),
            inventory: Some(inventory),
            held: held.to_vec(),
            saved: Vec::new(),
        };
        sender.send(up(Up::Hello(hello))).await.expect("room");
        let stream = ReceiverStream::new(receiver);
        let mut client = AgentsClient::new(channel);
        let reply = client.link(stream).await.expect("a link").into_inner();
        self.defined.clear();
        self.link = Some((sender, reply));
    }

    /// Breaks the link without a word.
    pub(crate) fn hang_up(&mut self) {
        self.link = None;
    }

    /// Another process of the same agent.
    pub(crate) fn twin(&self) -> Self {
        Self::of(self.node, self.identity.clone(), self.cpus)
    }

    fn of(node: u32, identity: (String, String), cpus: u64) -> Self {
        let mut instance = [0; 16];
        getrandom::fill(&mut instance).expect("random numbers");
        Self {
            node,
            identity,
            instance,
            cpus,
            defined: BTreeMap::new(),
            orders: Vec::new(),
            acknowledged: 0,
            next: 1,
            link: None,
        }
    }

    /// The next message; panics if none comes.
    pub(crate) async fn message(&mut self) -> Down {
        let message = tokio::time::timeout(PATIENCE, self.maybe_message()).await;
        message.expect("a message comes in time").expect("the link stands")
    }

    /// The next message but that nothing is in quarantine; `None` if the link has ended.
    pub(crate) async fn maybe_message(&mut self) -> Option<Down> {
        let (_, stream) = self.link.as_mut().expect("a link");
        loop {
            let message = stream.message().await.ok().flatten()?;
            let body = message.body.expect("a body");
            if body != Down::Forbidden(v1::Forbidden::default()) {
                return Some(body);
            }
        }
    }

    /// Takes messages in until `until` holds.
    pub(crate) async fn until(&mut self, until: impl Fn(&Self) -> bool) {
        while !until(self) {
            match self.message().await {
                Down::Orders(orders) => self.take(orders),
                Down::Acknowledged(acknowledged) => self.acknowledged = acknowledged.through,
                Down::Forbidden(_) => {}
                other => panic!("neither orders nor an acknowledgement, but {other:?}"),
            }
        }
    }

    fn take(&mut self, orders: v1::Orders) {
        for order in orders.orders {
            match order.body.expect("a body") {
                Ordered::Define(define) => {
                    assert!(self.defined.insert(define.job, define).is_none(), "defined twice");
                }
                Ordered::Forget(forget) => {
                    assert!(self.defined.remove(&forget.job).is_some(), "never defined");
                }
                Ordered::Start(start) => {
                    let job = start.attempt.as_ref().expect("an attempt").job;
                    assert!(self.defined.contains_key(&job), "started before it was defined");
                    self.orders.push(Ordered::Start(start));
                }
                order @ (Ordered::Stop(_)
                | Ordered::DropCheckpoint(_)
                | Ordered::Freeze(_)
                | Ordered::Thaw(_)) => self.orders.push(order),
            }
        }
    }

    /// Waits for so many attempts to start, and returns them.
    pub(crate) async fn starts(&mut self, count: usize) -> Vec<v1::AttemptRef> {
        let is_start = |order: &Ordered| matches!(order, Ordered::Start(_));
        self.until(|agent| agent.orders.iter().filter(|order| is_start(order)).count() >= count)
            .await;
        let orders = std::mem::take(&mut self.orders);
        let mut found = Vec::new();
        for order in orders {
            match order {
                Ordered::Start(start) => found.push(start.attempt.expect("an attempt")),
                other => self.orders.push(other),
            }
        }
        found
    }

    /// Waits for an order to stop, and returns it.
    pub(crate) async fn stop(&mut self) -> v1::Stop {
        let is_stop = |order: &Ordered| matches!(order, Ordered::Stop(_));
        self.until(|agent| agent.orders.iter().any(is_stop)).await;
        let at = self.orders.iter().position(is_stop).expect("there is one");
        match self.orders.remove(at) {
            Ordered::Stop(stop) => stop,
            other => panic!("{other:?}"),
        }
    }

    /// Reports, and returns the number of the last report.
    pub(crate) async fn report(&mut self, told: Vec<Told>) -> u64 {
        let first = self.next;
        self.next += told.len() as u64;
        let reports = told.into_iter().map(|body| v1::Report { body: Some(body) }).collect();
        self.send(Up::Reports(v1::Reports { first, reports })).await;
        self.next - 1
    }

    /// Reports again from a number on, as after a broken link.
    pub(crate) async fn report_from(&mut self, first: u64, told: Vec<Told>) -> u64 {
        self.next = first;
        self.report(told).await
    }

    /// Reports, and waits until that is durable.
    pub(crate) async fn report_durably(&mut self, told: Vec<Told>) {
        let last = self.report(told).await;
        self.until(|agent| agent.acknowledged >= last).await;
    }

    pub(crate) async fn send(&self, body: Up) {
        let (sender, _) = self.link.as_ref().expect("a link");
        sender.send(up(body)).await.expect("the link stands");
    }

    /// Runs `count` tasks that succeed at once.
    pub(crate) async fn work(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let started = self.starts(1).await;
            left = left.saturating_sub(started.len());
            self.report(started.into_iter().flat_map(passed).collect()).await;
        }
        let last = self.next - 1;
        self.until(|agent| agent.acknowledged >= last).await;
    }
}

fn up(body: Up) -> v1::FromAgent {
    v1::FromAgent { body: Some(body) }
}

/// An attempt that ran and ended with an exit code.
pub(crate) fn exited(attempt: v1::AttemptRef, exit_code: i32) -> [Told; 2] {
    let kind = v1::OutcomeKind::Exited.into();
    let outcome = v1::Outcome { kind, exit_code, ..v1::Outcome::default() };
    let started = v1::Started { attempt: Some(attempt), started_ms: 1000 };
    let ended = v1::Ended {
        attempt: Some(attempt),
        outcome: Some(outcome),
        usage: Some(v1::Usage { wall_us: 1000, ..v1::Usage::default() }),
        started_ms: 1000,
        ended_ms: 1001,
    };
    [Told::Started(started), Told::Ended(ended)]
}

pub(crate) fn passed(attempt: v1::AttemptRef) -> [Told; 2] {
    exited(attempt, 0)
}

/// Something that an attempt printed to its standard output.
pub(crate) fn printed(attempt: v1::AttemptRef, offset: u64, data: &[u8]) -> Told {
    Told::Output(v1::Output {
        attempt: Some(attempt),
        stream: v1::Stream::Stdout.into(),
        offset,
        data: data.to_vec(),
        ..v1::Output::default()
    })
}
