//! What is to be sent on one link. Bounded: a link that does not keep up is closed, and its agent
//! comes back and says what it knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_core::state::State;
use repower_model::{
    AttemptId, Checkpoint, Instance, JobId, JobSpec, NodeId, RankId, Rendezvous, StopReason, TaskId,
};
use repower_proto::v1;
use repower_proto::v1::order::Body;
use repower_proto::v1::to_agent::Body as Out;
use tokio::sync::Notify;

use crate::samples;

/// The most orders that wait on one link.
const MOST: usize = 100_000;
/// A message is closed when it has so many bytes of orders; one more may be a megabyte long.
const MESSAGE_BYTES: usize = 1 << 20;

/// The most letters of the reason why a program must not run.
const REASON: usize = 200;

/// Something for an agent.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// The link stands.
    Welcome(v1::Welcome),
    /// What the tasks of a job share, and how they are watched.
    Define(JobId, Arc<JobSpec>, Vec<u8>),
    /// A job of which nothing more will come.
    Forget(JobId),
    /// Start what the node has of an attempt.
    Start(AttemptId, With),
    /// What a task has saved there is of no use any more.
    DropCheckpoint(TaskId),
    /// Stop a process of an attempt.
    Stop(RankId, StopReason),
    /// Somebody wants to run a command in the box of a process.
    Open(v1::OpenSession),
    /// Let a process stand still.
    Freeze(RankId),
    /// Let a process go on, and notice these rules no more.
    Thaw(RankId, Vec<String>),
    /// Programs that must not run: all of them.
    Forbidden(Arc<v1::Forbidden>),
}

/// What an attempt is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct With {
    /// The number of its job's amounts that it was placed by; `None`: it has ended since.
    pub(crate) alternative: Option<u32>,
    /// Of a gang: what its ranks there are told.
    pub(crate) rendezvous: Option<Box<Rendezvous>>,
    /// What an earlier attempt has saved.
    pub(crate) checkpoint: Option<Box<Checkpoint>>,
}

impl Item {
    /// The programs that must not run.
    pub(crate) fn forbidden(state: &State) -> Self {
        let found = state.findings.forbidden().iter();
        let short = |reason: &str| reason.chars().take(REASON).collect::<String>();
        let found = found.filter(|(_, why)| why.holds_everywhere());
        let found = found.map(|(digest, why)| (digest, short(&why.reason)));
        let policy = state.policy.iter().flat_map(|(policy, _)| {
            let reason = format!("it is on the list of the policy {}", policy.version);
            policy.forbidden().iter().map(move |digest| (digest, reason.clone()))
        });
        let all: BTreeMap<_, _> = policy.chain(found).collect();
        let (digests, reasons) =
            all.into_iter().map(|(digest, reason)| (digest.0.to_vec(), reason)).unzip();
        Self::Forbidden(Arc::new(v1::Forbidden { digests, reasons }))
    }
}

/// What is to be sent on one link.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) node: NodeId,
    pub(crate) instance: Instance,
    inner: Mutex<Inner>,
    news: Notify,
}

/// What there is to send.
enum Next {
    Message(Out),
    Nothing,
    End,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    /// The last report that is durable, and whether there is no room for output.
    told: v1::Acknowledged,
    /// Whether the agent is to be told so.
    owes_acknowledgement: bool,
    /// Whether it is to be asked what its tasks use.
    sample: bool,
    end: Option<v1::Dismissed>,
    closed: bool,
}

impl Outbox {
    /// The outbox of a link that a process of a node's agent has opened.
    pub(crate) fn new(node: NodeId, instance: Instance) -> Self {
        Self { node, instance, inner: Mutex::default(), news: Notify::new() }
    }

    /// Adds orders, and closes the link if they are too many.
    pub(crate) fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.items.extend(items);
        if inner.items.len() > MOST {
            let reason = format!("{MOST} orders wait to be sent: the link does not keep up");
            inner.close(Some(v1::Dismissed { reason, r#final: false }));
        }
        drop(inner);
        self.news.notify_one();
    }

    /// Everything up to a report is durable. Says nothing on a link that was told to end: what came
    /// before may not be.
    pub(crate) fn acknowledge(&self, through: u64) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.told.through = inner.told.through.max(through);
        inner.owes_acknowledgement = true;
        drop(inner);
        self.news.notify_one();
    }

    /// Tells the agent from now on whether there is no room for output.
    pub(crate) fn hold_output(&self, hold: bool) {
        let mut inner = self.lock();
        if inner.closed || inner.told.hold_output == hold {
            return;
        }
        inner.told.hold_output = hold;
        inner.owes_acknowledgement = true;
        drop(inner);
        self.news.notify_one();
    }

    /// Asks what the tasks use, for a while.
    pub(crate) fn sample(&self) {
        let mut inner = self.lock();
        inner.sample = !inner.closed;
        drop(inner);
        self.news.notify_one();
    }

    /// Answers a heartbeat: the agent's lease counts from when it last heard of us.
    pub(crate) fn answer(&self) {
        self.acknowledge(0);
    }

    /// Whether the link has ended or is about to.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the link; the agent must not come back if `last`.
    pub(crate) fn dismiss(&self, reason: impl Into<String>, last: bool) {
        let end = v1::Dismissed { reason: reason.into(), r#final: last };
        self.lock().close(Some(end));
        self.news.notify_one();
    }

    /// The link has broken.
    pub(crate) fn close(&self) {
        self.lock().close(None);
        self.news.notify_one();
    }

    /// Waits until there is something to send; `None`: the link has ended.
    pub(crate) async fn next(&self) -> Option<v1::ToAgent> {
        loop {
            match self.take() {
                Next::Message(body) => return Some(v1::ToAgent { body: Some(body) }),
                Next::Nothing => {}
                Next::End => return None,
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Next {
        let mut inner = self.lock();
        if let Some(Item::Welcome(welcome)) = inner.items.front() {
            let welcome = Out::Welcome(welcome.clone());
            inner.items.pop_front();
            return Next::Message(welcome);
        }
        if let Some(Item::Open(open)) = inner.items.front() {
            let open = Out::OpenSession(open.clone());
            inner.items.pop_front();
            return Next::Message(open);
        }
        if let Some(Item::Forbidden(forbidden)) = inner.items.front() {
            let forbidden = Out::Forbidden((**forbidden).clone());
            inner.items.pop_front();
            return Next::Message(forbidden);
        }
        if !inner.items.is_empty() {
            return Next::Message(Out::Orders(orders(&mut inner.items)));
        }
        if std::mem::take(&mut inner.owes_acknowledgement) {
            return Next::Message(Out::Acknowledged(inner.told));
        }
        if !inner.closed && std::mem::take(&mut inner.sample) {
            let (every_ms, for_ms) = (samples::EVERY_MS, samples::FOR_MS);
            return Next::Message(Out::SampleTasks(v1::SampleTasks { every_ms, for_ms }));
        }
        if let Some(end) = inner.end.take() {
            return Next::Message(Out::Dismissed(end));
        }
        if inner.closed { Next::End } else { Next::Nothing }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn close(&mut self, end: Option<v1::Dismissed>) {
        if !self.closed {
            self.closed = true;
            self.end = end;
            self.items.clear();
        }
    }
}

/// As many orders as fit into one message.
fn orders(items: &mut VecDeque<Item>) -> v1::Orders {
    let mut orders = Vec::with_capacity(items.len().min(4096));
    let mut bytes = 0;
    while bytes < MESSAGE_BYTES {
        let body = match items.front() {
            None | Some(Item::Welcome(_) | Item::Open(_) | Item::Forbidden(_)) => break,
            Some(Item::Define(job, spec, watch)) => Body::Define(v1::Define {
                job: job.0,
                spec: Some((&**spec).into()),
                array_count: spec.array.count(),
                watch: watch.clone(),
            }),
            Some(Item::Forget(job)) => Body::Forget(v1::Forget { job: job.0 }),
            Some(Item::DropCheckpoint(task)) => {
                Body::DropCheckpoint(v1::DropCheckpoint { task: Some((*task).into()) })
            }
            Some(Item::Start(attempt, with)) => Body::Start(v1::Start {
                attempt: Some(RankId::from(*attempt).into()),
                rendezvous: with.rendezvous.as_deref().map(Into::into),
                checkpoint: with.checkpoint.as_deref().map(|checkpoint| (*checkpoint).into()),
                alternative: with.alternative,
            }),
            Some(Item::Stop(rank, why)) => Body::Stop(v1::Stop {
                attempt: Some((*rank).into()),
                reason: v1::StopReason::from(*why).into(),
            }),
            Some(Item::Freeze(rank)) => Body::Freeze(v1::Freeze { attempt: Some((*rank).into()) }),
            Some(Item::Thaw(rank, rules)) => {
                Body::Thaw(v1::Thaw { attempt: Some((*rank).into()), rules: rules.clone() })
            }
        };
        items.pop_front();
        bytes += body.encoded_len();
        orders.push(v1::Order { body: Some(body) });
    }
    v1::Orders { orders }
}

#[cfg(test)]
mod tests {
    use repower_model::TaskId;

    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(NodeId(1), Instance([0; 16]))
    }

    fn start(index: u32) -> Item {
        Item::Start(AttemptId { task: TaskId { job: JobId(1), index }, number: 1 }, With::default())
    }

    #[tokio::test]
    async fn orders_that_wait_go_out_in_one_message_and_before_the_acknowledgement() {
        let outbox = outbox();
        outbox.acknowledge(7);
        outbox.push([start(0)]);
        outbox.push([start(1)]);
        outbox.acknowledge(9);

        let (first, second) = (outbox.next().await, outbox.next().await);

        let Some(Out::Orders(orders)) = first.unwrap().body else { panic!("no orders") };
        assert_eq!(orders.orders.len(), 2);
        let acknowledged = Out::Acknowledged(v1::Acknowledged { through: 9, hold_output: false });
        assert_eq!(second.unwrap().body, Some(acknowledged));
    }

    #[tokio::test]
    async fn a_link_that_does_not_keep_up_is_closed_and_may_come_back() {
        let outbox = outbox();

        outbox.push((0..=100_000).map(start));

        let last = outbox.next().await.unwrap().body;
        let Some(Out::Dismissed(dismissed)) = last else { panic!("{last:?}") };
        assert!(!dismissed.r#final);
        assert_eq!(outbox.next().await, None);
    }
}
