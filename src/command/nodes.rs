//! `repower nodes`.

use repower_proto::v1::{ListNodesReply, ListNodesRequest, NodeSummary, Resources};

use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::quantity::{bytes, cpus};
use crate::render::{Cell, Column, Screen, Table, json, time, words};

/// Options of `repower nodes`.
#[derive(Debug, clap::Args)]
pub struct Nodes {
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Nodes {
    /// Lists all nodes.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.nodes().list(ListNodesRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        show(screen, &reply, clock::now_ms())?;
        Ok(Exit::OK)
    }
}

fn show(screen: &mut Screen, reply: &ListNodesReply, now_ms: i64) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Nodes::from(reply))?);
    }
    if screen.is_quiet() {
        for node in &reply.nodes {
            screen.line(words::tame(&node.name))?;
        }
        return Ok(());
    }
    for remark in &reply.remarks {
        screen.note(words::remark(remark));
    }
    if reply.nodes.is_empty() {
        screen.note("no nodes; `repower token join` makes a join file for an agent");
        return Ok(());
    }
    Ok(screen.table(&table(&reply.nodes, now_ms))?)
}

fn table(nodes: &[NodeSummary], now_ms: i64) -> Table {
    let mut table = Table::new(&[
        Column::cut("NAME", 12),
        Column::whole("STATE"),
        Column::number("CPUS"),
        Column::number("MEMORY"),
        Column::number("FREE"),
        Column::number("TASKS"),
        Column::number("SINCE"),
        Column::cut("LABELS", 8),
        Column::cut("REASON", 10),
    ]);
    for node in nodes {
        let side = |side: &Option<Resources>| side.clone().unwrap_or_default();
        let (capacity, used) = (side(&node.capacity), side(&node.used));
        let tasks = match node.waiting {
            0 => node.running.to_string(),
            waiting => format!("{}+{waiting}", node.running),
        };
        table.row([
            node.name.as_str().into(),
            Cell::tinted(words::node_state(node), words::node_tint(node)),
            format!("{}/{}", cpus(used.cpu_milli), cpus(capacity.cpu_milli)).into(),
            bytes(capacity.memory_bytes).into(),
            bytes(capacity.memory_bytes.saturating_sub(used.memory_bytes)).into(),
            tasks.into(),
            if node.since_ms == 0 { "-".to_owned() } else { time::between(node.since_ms, now_ms) }
                .into(),
            words::labels(node.inventory.as_ref()).into(),
            node.reason.as_str().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{Inventory, Label, NodePhase};

    use super::*;

    #[test]
    fn a_list_fits_eighty_columns() {
        let resources = |cpu_milli, memory_bytes| {
            Some(Resources { cpu_milli, memory_bytes, ..Resources::default() })
        };
        let up = NodeSummary {
            name: "rig-07".into(),
            phase: NodePhase::Up.into(),
            connected: true,
            capacity: resources(16_000, 16 << 30),
            used: resources(3500, 5 << 30),
            running: 4,
            waiting: 2,
            since_ms: 1000,
            inventory: Some(Inventory {
                labels: vec![Label { name: "gpu".into(), value: "v100".into() }],
                ..Inventory::default()
            }),
            ..NodeSummary::default()
        };
        let drained = NodeSummary {
            name: "rig-08.hall-two.example".into(),
            drained: true,
            reason: "mia: fan noise, technician comes on Friday".into(),
            waiting: 0,
            ..up.clone()
        };

        let lines = table(&[up, drained], 7_531_000).lines(Some(80), false);

        assert_eq!(
            lines.join("\n"),
            "\
NAME          STATE         CPUS  MEMORY    FREE  TASKS  SINCE  LABELS    REASON
rig-07        up          3.5/16  16 GiB  11 GiB    4+2  2h05m  gpu=v100
rig-08.hall…  up,drained  3.5/16  16 GiB  11 GiB      4  2h05m  gpu=v100  mia: fan …"
        );
    }
}
