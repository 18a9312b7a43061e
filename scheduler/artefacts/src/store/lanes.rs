//! Who moves bytes, and how much of that goes on at one time.

use repower_model::NodeId;

use crate::{Permit, Pool};

/// How many artefacts people move at one time in one direction, and nodes, too; the others wait. One that moves
/// takes a thread and a few pieces of memory.
const CLIENTS: usize = 32;
/// How many of these one of them moves. An agent does not try more than half as many.
const SHARE: usize = 8;
/// How many the scheduler moves for itself: its disk and its bucket keep it waiting, and no client does.
const OWN: usize = 8;

/// Who moves bytes. Each kind has room of its own, so that none can be kept waiting by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mover {
    /// The scheduler, for itself.
    Own,
    /// A person, by name.
    Person(String),
    /// The agent of a node.
    Node(NodeId),
}

/// Room for transfers in one direction.
#[derive(Debug)]
pub(super) struct Lanes {
    own: Pool<Mover>,
    people: Pool<Mover>,
    nodes: Pool<Mover>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        let clients = || Pool::new(CLIENTS, SHARE);
        Self { own: Pool::new(OWN, OWN), people: clients(), nodes: clients() }
    }

    /// Waits for room.
    pub(super) async fn enter(&self, mover: &Mover) -> Permit<Mover> {
        let pool = match mover {
            Mover::Own => &self.own,
            Mover::Person(_) => &self.people,
            Mover::Node(_) => &self.nodes,
        };
        pool.enter(mover).await
    }
}
