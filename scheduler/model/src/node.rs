//! What an agent says about its machine.

use serde::{Deserialize, Serialize};

use crate::Resources;

/// What an agent found on its machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// What tasks can have of it.
    pub capacity: Resources,
    /// As the machine calls itself.
    pub hostname: String,
    /// As uname says it.
    pub kernel: String,
    /// As the processor calls itself.
    pub cpu_model: String,
    /// `x86-64-v1` to `x86-64-v4`, or the architecture's name elsewhere.
    pub isa_level: String,
    /// How many processor packages.
    pub sockets: u32,
    /// Of the agent.
    pub version: String,
    /// What its operator says of it: name and value, ascending, no name twice.
    pub labels: Vec<(String, String)>,
    /// By which the ranks of gangs on other nodes reach it: a name or an address; empty: unknown.
    pub address: String,
    /// What its agent can do to tasks besides running them, for example `limit.memory`: ascending, none twice.
    pub abilities: Vec<String>,
    /// What it cannot do that others can, for example `sensor.registers`, and why not; by name, none twice.
    pub lacks: Vec<(String, String)>,
}

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodePhase {
    /// Enrolled, and never seen since.
    Enrolled,
    /// Its agent holds its lease.
    Up,
    /// Its lease ran out.
    Lost,
    /// Its agent ended in order.
    Left,
}

impl NodePhase {
    /// The name, as tables and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Up => "up",
            Self::Lost => "lost",
            Self::Left => "left",
        }
    }
}

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TokenKind {
    /// Enrol one agent, once.
    Join,
    /// Call the services for people, as far as the [`Role`](crate::Role) of the person goes.
    Person,
}
