//! Commands in the boxes of tasks: somebody asks for one, its node calls back, and both are joined.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repower_model::NodeId;
use repower_proto::v1;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};

/// How long a node may take to call back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How many may wait for their nodes.
const MOST: usize = 256;

/// By which a node says what it calls back for.
type Session = [u8; 16];

/// Commands of which the node has not called back yet.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    waiting: Mutex<BTreeMap<Session, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    node: NodeId,
    come: oneshot::Sender<Ends>,
}

/// The node's ends of a session.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) input: mpsc::Sender<Result<v1::ExecInput, Status>>,
    pub(crate) output: Streaming<v1::FromSession>,
}

/// Waits for a node; nobody waits any more when it is dropped.
#[derive(Debug)]
pub(crate) struct Awaited {
    sessions: Arc<Sessions>,
    pub(crate) session: Session,
    pub(crate) ends: oneshot::Receiver<Ends>,
}

impl Sessions {
    /// Waits for a node to call back; `None`: too many wait, or there is no randomness.
    pub(crate) fn wait(self: &Arc<Self>, node: NodeId) -> Option<Awaited> {
        let mut session = Session::default();
        getrandom::fill(&mut session).ok()?;
        let (come, ends) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.len() >= MOST {
            return None;
        }
        waiting.insert(session, Waiting { node, come });
        Some(Awaited { sessions: Arc::clone(self), session, ends })
    }

    /// A node has called back; false if nobody waits for it.
    pub(crate) fn claim(&self, node: NodeId, session: &[u8], ends: Ends) -> bool {
        let mut waiting = self.lock();
        let Ok(session) = Session::try_from(session) else { return false };
        if waiting.get(&session).is_none_or(|one| one.node != node) {
            return false;
        }
        let Some(one) = waiting.remove(&session) else { return false };
        drop(waiting);
        one.come.send(ends).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Session, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.session);
    }
}
