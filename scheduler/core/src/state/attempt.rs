//! An attempt that is on a node.

use repower_model::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::life::attempt::Phase;

/// The latest attempt of a task, while it is on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1; only grows.
    pub number: u32,
    /// Where.
    pub node: NodeId,
    /// How far it is.
    pub phase: Phase,
    /// Whether it waits there for a slot, and holds nothing of the node yet.
    pub runway: bool,
    /// Which of its job's amounts it has: 0, or the number of an alternative.
    pub alternative: u32,
    /// When it will give back what it holds at the latest; `None`: nobody knows, or it waits.
    pub until: Option<Timestamp>,
    /// When it was placed.
    pub placed: Timestamp,
    /// Since when it runs.
    pub started: Option<Timestamp>,
}
