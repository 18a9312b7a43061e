//! The machines that a workload runs on.

use repower_core::plan::gang;
use repower_model::{Bytes, Cpus, IsaLevel, NodeId, Resources};

use super::{GPU, Shape};

/// What a node of a simulated machine room offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name: 1 to 63 characters of a-z, 0-9, `-`, `.` and `_`.
    pub name: String,
    /// What it has.
    pub capacity: Resources,
    /// Name and value, ascending.
    pub labels: Vec<(String, String)>,
    /// Of its processors, as inventories name it; may be empty.
    pub isa_level: String,
}

/// A room of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// The nodes, by number.
    pub nodes: Vec<Offer>,
}

impl Machine {
    /// The most nodes.
    pub const MOST_NODES: usize = 100_000;

    /// More memory than any job of a trace asks for: uniform nodes are not short of it.
    const MEMORY: Bytes = Bytes::new(1 << 60);

    /// So many equal nodes with so many processors each.
    pub fn uniform(count: usize, cpus: u64) -> Self {
        let capacity = Resources {
            cpus: Cpus::from_whole(cpus),
            memory: Self::MEMORY,
            ..Resources::default()
        };
        let node = |number| Offer {
            name: format!("n{number}"),
            capacity: capacity.clone(),
            labels: Vec::new(),
            isa_level: String::new(),
        };
        Self { nodes: (1..=count.min(Self::MOST_NODES)).map(node).collect() }
    }

    /// All processors.
    pub fn cpus(&self) -> Cpus {
        Cpus::from_milli(self.nodes.iter().map(|node| node.capacity.cpus.as_milli()).sum())
    }

    /// All GPUs.
    pub fn gpus(&self) -> u64 {
        self.nodes.iter().map(|node| node.capacity.extra(GPU)).sum()
    }

    /// Whether any node will do for a job, and could hold it when it is empty; a gang, whether all of
    /// them together could.
    pub fn could_hold(&self, shape: &Shape) -> bool {
        let wanted = &shape.constraints;
        let mut able = (1..).map(NodeId).zip(&self.nodes).filter(|(_, node)| {
            let level = IsaLevel::named(&node.isa_level);
            node.capacity.holds(&shape.resources)
                && wanted.labels.iter().all(|rule| rule.is_met_by(&node.labels))
                && wanted.isa_level.is_none_or(|least| level.is_some_and(|level| level >= least))
        });
        match &shape.gang {
            None => able.next().is_some(),
            Some(wanted) => {
                let able = able.map(|(id, node)| (id, &node.capacity));
                gang::place(able, &shape.resources, wanted).is_some()
            }
        }
    }

    /// Takes a node out. Returns whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|node| node.name != name);
        self.nodes.len() < before
    }
}
