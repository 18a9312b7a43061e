//! Nodes as JSON.

use std::collections::BTreeMap;

use repower_proto::v1;
use serde::Serialize;

use super::claimed::Claimed;
use super::{Remark, Task, text};
use crate::render::{time, words};

/// Amounts of what tasks need and nodes have.
#[derive(Debug, Serialize)]
pub struct Resources {
    cpu_milli: u64,
    memory_bytes: u64,
    disk_bytes: u64,
    extras: BTreeMap<String, u64>,
}

/// What an agent found on its machine.
#[derive(Debug, Serialize)]
pub struct Inventory {
    hostname: String,
    kernel: String,
    cpu_model: String,
    isa_level: String,
    sockets: u32,
    agent_version: String,
    labels: BTreeMap<String, String>,
    /// What it can do for tasks, ascending.
    abilities: Vec<String>,
    /// What it cannot do that others can, and why not.
    lacks: BTreeMap<String, String>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct Node {
    id: u32,
    name: String,
    phase: &'static str,
    connected: bool,
    drained: bool,
    held_back: bool,
    reason: Option<String>,
    capacity: Resources,
    used: Resources,
    running: u32,
    waiting: u32,
    since: Option<String>,
    /// For how long a node has been silent that should have said something.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_ms: Option<u64>,
    inventory: Option<Inventory>,
}

/// All nodes.
#[derive(Debug, Serialize)]
pub struct Nodes {
    nodes: Vec<Node>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Remark>,
}

/// All nodes, and what runs on them.
#[derive(Debug, Serialize)]
pub struct Top {
    nodes: Vec<Node>,
    tasks: Vec<Running>,
    total: u64,
}

/// A process of a task that is on a node.
#[derive(Debug, Serialize)]
struct Running {
    job: u64,
    index: u32,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
    state: &'static str,
    name: String,
    project: String,
    submitter: String,
    node: String,
    started_at: Option<String>,
    cpu_milli: Option<u64>,
    cpu_us: Option<u64>,
    memory_bytes: Option<u64>,
    processes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
}

impl Top {
    /// What a screen of `repower top` shows.
    pub fn new(nodes: &v1::ListNodesReply, running: &v1::RunningReply) -> Self {
        Self {
            nodes: nodes.nodes.iter().map(Node::from).collect(),
            tasks: running.tasks.iter().map(Running::from).collect(),
            total: running.total,
        }
    }
}

impl From<&v1::RunningTask> for Running {
    fn from(task: &v1::RunningTask) -> Self {
        Self {
            job: task.job,
            index: task.index,
            attempt: task.attempt,
            rank: task.rank,
            state: words::task_state(task.state()),
            name: task.name.clone(),
            project: task.project.clone(),
            submitter: task.submitter.clone(),
            node: task.node.clone(),
            started_at: time::rfc3339(task.started_ms),
            cpu_milli: task.cpu_milli,
            cpu_us: task.cpu_us,
            memory_bytes: task.memory_bytes,
            processes: task.processes,
            claimed: task.progress.as_ref().map(Claimed::from),
        }
    }
}

/// One node and what it runs.
#[derive(Debug, Serialize)]
pub struct NodeDetail {
    #[serde(flatten)]
    node: Node,
    attempts: Vec<Task>,
}

impl From<&v1::Resources> for Resources {
    fn from(resources: &v1::Resources) -> Self {
        Self {
            cpu_milli: resources.cpu_milli,
            memory_bytes: resources.memory_bytes,
            disk_bytes: resources.disk_bytes,
            extras: resources
                .extras
                .iter()
                .map(|extra| (extra.name.clone(), extra.amount))
                .collect(),
        }
    }
}

impl From<&v1::NodeSummary> for Node {
    fn from(node: &v1::NodeSummary) -> Self {
        let resources =
            |side: &Option<v1::Resources>| Resources::from(&side.clone().unwrap_or_default());
        Self {
            id: node.id,
            name: node.name.clone(),
            phase: words::node_phase(node.phase()),
            connected: node.connected,
            drained: node.drained,
            held_back: node.held_back,
            reason: text(&node.reason),
            capacity: resources(&node.capacity),
            used: resources(&node.used),
            running: node.running,
            waiting: node.waiting,
            since: time::rfc3339(node.since_ms),
            silent_ms: Some(node.silent_ms).filter(|ms| *ms > 0),
            inventory: node.inventory.as_ref().map(Inventory::from),
        }
    }
}

impl From<&v1::Inventory> for Inventory {
    fn from(inventory: &v1::Inventory) -> Self {
        let labels = inventory.labels.iter();
        Self {
            hostname: inventory.hostname.clone(),
            kernel: inventory.kernel.clone(),
            cpu_model: inventory.cpu_model.clone(),
            isa_level: inventory.isa_level.clone(),
            sockets: inventory.sockets,
            agent_version: inventory.version.clone(),
            labels: labels.map(|label| (label.name.clone(), label.value.clone())).collect(),
            abilities: inventory.abilities.clone(),
            lacks: inventory
                .lacks
                .iter()
                .map(|one| (one.name.clone(), one.value.clone()))
                .collect(),
        }
    }
}

impl From<&v1::ListNodesReply> for Nodes {
    fn from(reply: &v1::ListNodesReply) -> Self {
        Self {
            nodes: reply.nodes.iter().map(Node::from).collect(),
            remarks: reply.remarks.iter().map(Remark::from).collect(),
        }
    }
}

impl From<&v1::ShowNodeReply> for NodeDetail {
    fn from(reply: &v1::ShowNodeReply) -> Self {
        Self {
            node: Node::from(&reply.node.clone().unwrap_or_default()),
            attempts: reply.attempts.iter().map(Task::from).collect(),
        }
    }
}
