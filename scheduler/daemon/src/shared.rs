//! What all services share.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use repower_core::input::Input;
use repower_core::life::lease::Leases;
use repower_model::{NodeId, NodePhase, Span};
use repower_store::journal::ReadError;
use repower_store::output;
use repower_store::sqlite::Reader;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::Status;

use crate::admission::Admission;
use crate::artefacts::Artefacts;
use crate::aside::Aside;
use crate::calls;
use crate::claims::Claims;
use crate::clock::{self, Stopwatch};
use crate::keeper::{Keeper, Mail};
use crate::link::Links;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::options::Options;
use crate::output::Printer;
use crate::problem::Problem;
use crate::published::Published;
use crate::reasons::Reasons;
use crate::room::Room;
use crate::samples::Samples;
use crate::sessions::Sessions;
use crate::tls::Authority;

/// What all services share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) keeper: Keeper,
    pub(crate) published: Arc<Published>,
    pub(crate) history: Reader,
    pub(crate) printed: output::Reader,
    pub(crate) printer: Printer,
    pub(crate) room: Arc<Room>,
    pub(crate) admission: Admission,
    pub(crate) artefacts: Artefacts,
    pub(crate) links: Arc<Links>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) authority: Authority,
    pub(crate) leases: Mutex<Leases>,
    pub(crate) reasons: Reasons,
    pub(crate) samples: Samples,
    pub(crate) claims: Claims,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) aside: Aside,
    /// Links: each ends when its outbox does.
    pub(crate) linked: Mutex<JoinSet<()>>,
    /// Streams of answers.
    pub(crate) streams: Mutex<JoinSet<()>>,
    /// Whether the scheduler is ending.
    pub(crate) ending: watch::Sender<bool>,
}

impl Shared {
    /// A node was heard of.
    pub(crate) fn heard(&self, node: NodeId) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).heard(node, clock::steady());
    }

    /// For how long a node has been silent that should have said something; `None`: it speaks, or is not watched.
    pub(crate) fn silence(&self, node: NodeId) -> Option<Span> {
        let silence = self.last_heard(node)?;
        let expected = Span::from_millis(2 * self.options.heartbeat().as_millis());
        (silence > expected || !self.links.has(node)).then_some(silence)
    }

    /// How long ago something was heard of a node; `None`: it is not watched.
    pub(crate) fn last_heard(&self, node: NodeId) -> Option<Span> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).silence(node, clock::steady())
    }

    /// A node is no longer watched.
    pub(crate) fn forget(&self, node: NodeId) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).forget(node);
    }

    /// Lets a link go on until its outbox ends.
    pub(crate) fn spawn_link(&self, link: impl Future<Output = ()> + Send + 'static) {
        spawn(&self.linked, link);
    }

    /// Lets a stream of answers go on until it ends; with the scheduler, it ends with an error, so
    /// that nobody takes its end for the end of what they wait for.
    pub(crate) fn spawn_stream<T: Send + 'static>(
        &self,
        sender: mpsc::Sender<Result<T, Status>>,
        work: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) {
        let (by, mut ending) = (calls::current(), self.ending.subscribe());
        spawn(&self.streams, async move {
            let end = tokio::select! {
                end = calls::on_behalf(by, work) => end,
                _ = ending.changed() => Err(Problem::ending()),
            };
            if let Err(problem) = end
                && sender.send(Err(problem.into())).await.is_err()
            {
                tracing::debug!("nobody listens to a stream any more");
            }
        });
    }

    /// Ends all streams of answers.
    pub(crate) fn end_streams(&self) {
        self.ending.send_replace(true);
    }

    /// Asks the history, away from the threads that serve.
    pub(crate) async fn past<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let history = self.history.clone();
        self.aside.run(move || query(&history)).await?.map_err(Problem::from)
    }

    /// Gives every node that is up a whole lease from now on.
    pub(crate) fn restart_leases(&self) {
        let up = self.up();
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).restart(up, clock::steady());
    }

    /// The nodes whose lease has run out. Every node that is up is watched: one whose end of the
    /// lease could not be made durable gets another lease, and is late again.
    fn late(&self, lease: Span) -> Vec<(NodeId, Span)> {
        let (up, now) = (self.up(), clock::steady());
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for node in up {
            leases.watch(node, now);
        }
        leases.expired(now, lease)
    }

    fn up(&self) -> Vec<NodeId> {
        let state = self.published.read();
        let up = state.nodes.values().filter(|node| node.phase == NodePhase::Up);
        up.map(|node| node.id).collect()
    }

    /// Watches the leases until the scheduler ends: a node whose lease runs out is given up.
    /// Silence counts only while somebody listens: after a pause of this process, all leases begin
    /// anew. Steps of the wall clock do not matter.
    pub(crate) async fn watch_leases(&self) {
        let lease = self.options.lease();
        let pause = Duration::from_millis((lease.as_millis() / 8).max(50));
        let slack = pause + Duration::from_millis(lease.as_millis() / 4);
        loop {
            let stopwatch = Stopwatch::start();
            tokio::time::sleep(pause).await;
            let took = stopwatch.elapsed();
            if took > slack {
                tracing::warn!(?took, "this process was held up: leases begin anew");
                self.restart_leases();
                continue;
            }
            for (node, silence) in self.late(lease) {
                let reason = format!("nothing was heard of it for {silence}; its lease is {lease}");
                let input = Box::new(Input::Silent { node, reason });
                if self.keeper.send(Mail::Signal(input)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn spawn(crew: &Mutex<JoinSet<()>>, work: impl Future<Output = ()> + Send + 'static) {
    let mut crew = crew.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some(ended) = crew.try_join_next() {
        if let Err(error) = ended {
            tracing::error!(%error, "a link or a stream has ended badly");
        }
    }
    crew.spawn(work);
}
