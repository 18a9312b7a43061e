//! `repower node`.

use repower_proto::v1::{NodeSummary, Resources, ShowNodeReply, ShowNodeRequest};

use super::show::attempts_table;
use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::quantity::{bytes, count, cpus};
use crate::render::{Screen, json, time, words};

/// Options of `repower node`.
#[derive(Debug, clap::Args)]
pub struct Node {
    /// Name of the node
    #[arg(value_name = "NODE")]
    name: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Node {
    /// Shows the node and what it runs.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.nodes().show(ShowNodeRequest { name: self.name }).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        if screen.is_json() {
            screen.json(&json::NodeDetail::from(&reply))?;
        } else {
            show(screen, &reply, clock::now_ms())?;
        }
        Ok(Exit::OK)
    }
}

fn show(screen: &mut Screen, reply: &ShowNodeReply, now_ms: i64) -> Result<(), Failure> {
    let node = reply.node.clone().unwrap_or_default();
    for (title, text) in fields(&node, now_ms) {
        screen.line(format_args!("{title:<12}{}", words::tame(&text)))?;
    }
    if !reply.attempts.is_empty() {
        screen.line("")?;
        screen.table(&attempts_table(&reply.attempts, now_ms))?;
    }
    Ok(())
}

/// Returns words in lines of at most so many letters that they stand beside a title on any terminal.
fn lines(words: &[String]) -> Vec<String> {
    const WIDTH: usize = 60;
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

/// Returns what is worth knowing of a node, a line each.
fn fields(node: &NodeSummary, now_ms: i64) -> Vec<(&'static str, String)> {
    let side = |side: &Option<Resources>| side.clone().unwrap_or_default();
    let (capacity, used) = (side(&node.capacity), side(&node.used));
    let since = if node.since_ms == 0 {
        String::new()
    } else {
        format!(" since {}", time::between(node.since_ms, now_ms))
    };
    let mut fields = vec![
        ("node", node.name.clone()),
        ("state", format!("{}{since}", words::node_state(node))),
        ("cpus", format!("{} of {} in use", cpus(used.cpu_milli), cpus(capacity.cpu_milli))),
        (
            "memory",
            format!("{} of {} in use", bytes(used.memory_bytes), bytes(capacity.memory_bytes)),
        ),
        ("disk", format!("{} of {} in use", bytes(used.disk_bytes), bytes(capacity.disk_bytes))),
    ];
    for extra in &capacity.extras {
        let taken =
            used.extras.iter().find(|one| one.name == extra.name).map_or(0, |one| one.amount);
        fields.push(("extra", format!("{}: {taken} of {} in use", extra.name, extra.amount)));
    }
    fields
        .push(("tasks", format!("{} running, {} waiting for a slot", node.running, node.waiting)));
    if !node.reason.is_empty() {
        fields.insert(2, ("reason", node.reason.clone()));
    }
    if let Some(found) = &node.inventory {
        let sockets = count(u64::from(found.sockets), "socket");
        fields.push(("host", format!("{}, Linux {}", found.hostname, found.kernel)));
        fields.push(("processor", format!("{} ({}, {sockets})", found.cpu_model, found.isa_level)));
        if !found.labels.is_empty() {
            fields.push(("labels", words::labels(Some(found))));
        }
        for (at, line) in lines(&found.abilities).into_iter().enumerate() {
            fields.push((if at == 0 { "can do" } else { "" }, line));
        }
        for lack in &found.lacks {
            fields.push(("cannot", format!("{}: {}", lack.name, lack.value)));
        }
        fields.push(("agent", found.version.clone()));
    }
    fields
}
