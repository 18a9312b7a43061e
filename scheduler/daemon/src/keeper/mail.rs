//! Letters to the loop.

use std::sync::Arc;

use repower_core::effect::Answer;
use repower_core::input::{Input, Report};
use repower_core::life::attempt::Phase;
use repower_core::state::State;
use repower_model::{AttemptId, NodeId, NodePhase};
use repower_proto::v1;
use tokio::sync::{mpsc, oneshot};

use crate::follower::Deed;
use crate::link::Outbox;
use crate::problem::Problem;

/// Where an answer goes.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Problem>>;

/// A letter to the loop.
#[derive(Debug)]
pub(crate) enum Mail {
    /// What an agent reports.
    Reports(Reports),
    /// Somebody asks, and waits for the answer.
    Ask(Box<Input>, Reply),
    /// An agent opens a link.
    Hello(Box<Hello>),
    /// Something that nobody waits for.
    Signal(Box<Input>),
    /// Nothing comes after this.
    End(oneshot::Sender<()>),
}

/// What an agent reports. Its output is durable already.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) told: Vec<Report>,
    /// Acknowledged when all of this is durable.
    pub(crate) through: u64,
}

/// An agent opens a link.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) input: Input,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) welcome: v1::Welcome,
}

impl Hello {
    /// Whether it makes no facts: the same process comes back to a node that is up, and knows every
    /// attempt that has reached it.
    pub(super) fn is_plain(&self, state: &State) -> bool {
        let Input::Hello { node, instance, inventory, held, .. } = &self.input else {
            return false;
        };
        state.nodes.get(node).is_some_and(|node| {
            node.phase == NodePhase::Up
                && node.instance == Some(*instance)
                && node.inventory == **inventory
                && node.tasks().all(|task| {
                    state.attempts.get(&task).is_none_or(|live| {
                        let id = AttemptId { task, number: live.number };
                        match &live.ranks {
                            None => live.phase == Phase::Placed || held.contains(&id.rank(0)),
                            Some(ranks) => ranks.on(node.id).all(|rank| {
                                ranks.ended.contains(rank) || held.contains(&id.rank(rank))
                            }),
                        }
                    })
                })
        })
    }
}

impl Mail {
    /// Where it stands in a batch; those that stand together keep the order in which they came.
    pub(super) fn order(&self) -> (u8, NodeId) {
        match self {
            Self::Reports(reports) => (0, reports.outbox.node),
            Self::Ask(..) => (1, NodeId(0)),
            Self::Hello(hello) => (2, hello.outbox.node),
            Self::Signal(_) => (3, NodeId(0)),
            Self::End(_) => (4, NodeId(0)),
        }
    }

    /// How much work it is.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Reports(reports) => reports.told.len().max(1),
            Self::Ask(..) | Self::Hello(_) | Self::Signal(_) | Self::End(_) => 1,
        }
    }

    /// What is owed for it if nothing of it was done.
    pub(super) fn into_deed(self) -> Option<Deed> {
        match self {
            Self::Reports(reports) => Some(Deed::Acknowledge(reports.outbox, reports.through)),
            Self::Ask(_, reply) => Some(Deed::Answer(reply, Ok(Answer::Done))),
            Self::Hello(hello) => Some(Deed::Connect(hello.outbox, hello.welcome)),
            Self::Signal(_) | Self::End(_) => None,
        }
    }
}

/// The way to the loop; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    letters: mpsc::Sender<Mail>,
}

impl Keeper {
    pub(crate) fn new(letters: mpsc::Sender<Mail>) -> Self {
        Self { letters }
    }

    /// Asks, and returns the answer when all that it says is durable.
    pub(crate) async fn ask(&self, input: Input) -> Result<Answer, Problem> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Ask(Box::new(input), reply)).await?;
        answer.await.map_err(|_| Problem::ending())?
    }

    /// Sends a letter, and waits for room if many are waiting.
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), Problem> {
        self.letters.send(mail).await.map_err(|_| Problem::ending())
    }

    /// Ends the loop after everything that has been sent; returns when it has ended.
    pub(crate) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.send(Mail::End(done)).await.is_ok() && ended.await.is_err() {
            tracing::debug!("the loop had ended before");
        }
    }

    /// Returns when the loop has ended.
    pub(crate) async fn ended(&self) {
        self.letters.closed().await;
    }
}
