//! Commands in the boxes of tasks: somebody asks for one, its node calls back, and both are joined.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repower_artefacts::{Permit, Pool};
use repower_model::NodeId;
use repower_proto::v1;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};

use crate::calls::{self, By};

/// How long a node may take to call back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How many may wait for their nodes.
const MOST: usize = 256;
/// How many of these are of one person.
const SHARE: usize = 16;

/// By which a node says what it calls back for.
type Session = [u8; 16];

/// Commands of which the node has not called back yet.
#[derive(Debug)]
pub(crate) struct Sessions {
    waiting: Mutex<BTreeMap<Session, Waiting>>,
    room: Pool<By>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { waiting: Mutex::default(), room: Pool::new(MOST, SHARE) }
    }
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
    _place: Permit<By>,
}

impl Sessions {
    /// Waits for a node to call back, as a part of a call; `None`: too many wait, or there is no randomness.
    pub(crate) fn wait(self: &Arc<Self>, node: NodeId) -> Option<Awaited> {
        let place = self.room.try_enter(&calls::current())?;
        let mut session = Session::default();
        getrandom::fill(&mut session).ok()?;
        let (come, ends) = oneshot::channel();
        self.lock().insert(session, Waiting { node, come });
        Some(Awaited { sessions: Arc::clone(self), session, ends, _place: place })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::on_behalf;

    #[tokio::test]
    async fn one_person_cannot_take_all_the_room_for_those_who_wait_for_their_nodes() {
        let sessions = Arc::new(Sessions::default());
        let person = |name: &str| By::Person(name.to_owned());
        let wait = async || sessions.wait(NodeId(1));

        let mut waiting = Vec::new();
        while let Some(one) = on_behalf(person("mia"), wait()).await {
            waiting.push(one);
        }
        let other = on_behalf(person("noa"), wait()).await;
        let count = waiting.len();
        drop(waiting);

        assert_eq!((count, other.is_some()), (SHARE, true));
        assert_eq!(sessions.lock().len(), 1);
        assert!(on_behalf(person("mia"), wait()).await.is_some());
    }
}
