//! `repower drain` and `repower resume`.

use repower_proto::v1::{DrainRequest, NodeSummary, ResumeRequest};

use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::render::quantity::count;
use crate::render::{Screen, json, words};

/// Options of `repower drain`.
#[derive(Debug, clap::Args)]
pub struct Drain {
    /// Name of the node
    #[arg(value_name = "NODE")]
    name: String,
    /// Why, for the ledger and whoever asks
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Options of `repower resume`.
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// Name of the node
    #[arg(value_name = "NODE")]
    name: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Drain {
    /// Gives the node no new work.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = DrainRequest { name: self.name, reason: self.reason };
        let node = client
            .nodes()
            .drain(request)
            .await
            .map_err(|status| client.refused(&status))?
            .into_inner();
        let held = node.running + node.waiting;
        let rest = match held {
            0 => "it is empty".to_owned(),
            held => format!("{} on it still", count(u64::from(held), "task")),
        };
        told(screen, &node, &rest)
    }
}

impl Resume {
    /// Gives the node work again.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = ResumeRequest { name: self.name };
        let node = client
            .nodes()
            .resume(request)
            .await
            .map_err(|status| client.refused(&status))?
            .into_inner();
        told(screen, &node, "it gets work again")
    }
}

fn told(screen: &mut Screen, node: &NodeSummary, rest: &str) -> Result<Exit, Failure> {
    if screen.is_json() {
        screen.json(&json::Node::from(node))?;
    } else if !screen.is_quiet() {
        screen.line(format_args!(
            "node {} is {}; {rest}",
            words::tame(&node.name),
            words::node_state(node)
        ))?;
    }
    Ok(Exit::OK)
}
