//! `repower drain` and `repower resume`.

use repower_proto::v1::{DrainRequest, NodeSummary, Rest, ResumeRequest};

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
    /// Stop what it has, in order; it is tried elsewhere
    #[arg(long, conflicts_with = "give_up")]
    stop: bool,
    /// It is lost and will not come back: what it kept is tried elsewhere
    #[arg(long)]
    give_up: bool,
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
        let rest = match (self.stop, self.give_up) {
            (true, _) => Rest::Stop,
            (false, true) => Rest::GiveUp,
            (false, false) => Rest::Unspecified,
        };
        let request = DrainRequest { name: self.name, reason: self.reason, rest: rest.into() };
        let node = client
            .nodes()
            .drain(request)
            .await
            .map_err(|status| client.refused(&status))?
            .into_inner();
        let held = node.running + node.waiting;
        let rest = match held {
            0 => "it is empty".to_owned(),
            held if self.stop => format!("{} being stopped", count(u64::from(held), "task")),
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
