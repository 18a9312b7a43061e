//! What a job asks of nodes besides amounts: how many at once, and which.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{LabelRule, NodeId};

/// A gang: the ranks of a task, which start together or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gang {
    /// How many nodes it asks for, from 1.
    pub nodes: u32,
    /// How many ranks on each, from 1.
    pub ranks_per_node: u32,
    /// Whether other numbers of nodes will do.
    pub layout: Layout,
}

impl Gang {
    /// The most ranks of one gang.
    pub const MOST: u32 = 65_536;

    /// How many ranks it has in all.
    pub fn ranks(&self) -> u32 {
        self.nodes.saturating_mul(self.ranks_per_node)
    }
}

/// How a gang lies on its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Layout {
    /// Exactly as many nodes as asked, each with the same number of ranks.
    #[default]
    Spread,
    /// All ranks on as few nodes as can hold them.
    Pack,
}

impl Layout {
    /// The name, as options, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Pack => "pack",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The ranks of a gang on one node. Ranks are numbered through the parts, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Where.
    pub node: NodeId,
    /// How many, from 1.
    pub ranks: u32,
}

/// Which nodes will do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Constraints {
    /// All must hold; ascending, none twice.
    pub labels: Vec<LabelRule>,
    /// The least instruction set; `None`: any processor will do.
    pub isa_level: Option<IsaLevel>,
    /// Nothing else on the node meanwhile.
    pub exclusive: bool,
}

/// A level of the x86-64 instruction set, as the psABI defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IsaLevel {
    /// Every x86-64 processor.
    V1,
    /// With SSE4.2 and POPCNT.
    V2,
    /// With AVX2, BMI and FMA.
    V3,
    /// With AVX-512.
    V4,
}

impl IsaLevel {
    /// All of them, ascending.
    pub const ALL: [Self; 4] = [Self::V1, Self::V2, Self::V3, Self::V4];

    /// The name, as inventories and options write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "x86-64-v1",
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
            Self::V4 => "x86-64-v4",
        }
    }

    /// The level that an inventory names; `None` for another architecture.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for IsaLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
