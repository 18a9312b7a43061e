//! `repower top`.

mod frame;

use std::time::Duration;

use repower_proto::v1::{
    ListNodesReply, ListNodesRequest, RunningOrder, RunningReply, RunningRequest,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Reach;
use crate::client::{Client, is_lost};
use crate::clock;
use crate::failure::{Exit, Explain, Failure};
use crate::render::{Screen, json};
use crate::terminal::{self, Raw};
use frame::{Frame, View};

/// How often the screen is drawn anew.
const EVERY: Duration = Duration::from_secs(1);
/// The most tasks that are asked for.
const MOST: u32 = 1000;

/// Options of `repower top`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Keys: q ends, c, m and t sort by processor, memory and time, the arrows and the\n\
                        page keys move through the tasks. CPU counts processors: 1.5 is one and a half."
)]
pub struct Top {
    /// Sort tasks by what they use: cpu, memory or time [default: cpu]
    #[arg(
        long,
        value_name = "BY",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    sort: Sort,
    /// Only tasks of this project
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    project: String,
    /// Only this node
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    node: String,
    /// Only tasks of this job
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    job: u64,
    /// Print one screen and end; so it is without a terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Sort {
    #[default]
    Cpu,
    Memory,
    Time,
}

impl From<Sort> for RunningOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Cpu => Self::Cpu,
            Sort::Memory => Self::Memory,
            Sort::Time => Self::Time,
        }
    }
}

/// The terminal does not do what is needed of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TerminalError {
    /// Its mode cannot be changed, or nothing written to it.
    #[error("cannot use the terminal")]
    Unusable {
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be heard.
    #[error("cannot listen for signals")]
    Signals {
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for TerminalError {
    fn hint(&self) -> Option<String> {
        Some("`repower top --once` prints one screen".to_owned())
    }
}

impl Top {
    /// Draws until the person has seen enough.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        if self.once || screen.is_json() || !terminal::is_there() {
            self.print(&client, screen).await?;
        } else {
            self.watch(&client).await?;
        }
        Ok(Exit::OK)
    }

    /// Prints one screen, when the agents have had the time to look at their tasks twice.
    async fn print(&self, client: &Client, screen: &mut Screen) -> Result<(), Failure> {
        let mut last = self.ask(client, self.sort).await;
        for _ in 0..3 {
            let told = |reply: &(ListNodesReply, RunningReply)| {
                reply.1.tasks.iter().all(|task| task.cpu_milli.is_some())
            };
            if last.as_ref().map_or(true, told) {
                break;
            }
            tokio::time::sleep(EVERY).await;
            last = self.ask(client, self.sort).await;
        }
        let (nodes, running) = last.map_err(|status| client.refused(&status))?;
        if screen.is_json() {
            return Ok(screen.json(&json::Top::new(&nodes, &running))?);
        }
        let frame = Frame { nodes: &nodes, running: &running, now_ms: clock::now_ms(), lost: None };
        for line in frame.whole() {
            screen.line(line)?;
        }
        Ok(())
    }

    async fn watch(&self, client: &Client) -> Result<(), Failure> {
        let unusable = |source| TerminalError::Unusable { source };
        let listen = |kind| signal(kind).map_err(|source| TerminalError::Signals { source });
        let (mut ended, mut resized) =
            (listen(SignalKind::terminate())?, listen(SignalKind::window_change())?);
        let _raw = Raw::enter(true).map_err(unusable)?;
        let mut typed = terminal::typed();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut view = View::new(self.sort);
        let mut known = (ListNodesReply::default(), RunningReply::default());
        let mut lost = None;
        loop {
            tokio::select! {
                _ = tick.tick() => match self.ask(client, view.sort).await {
                    Ok(reply) => (known, lost) = (reply, None),
                    // What was known stays on the screen until the scheduler is back.
                    Err(status) if is_lost(&status) => lost = Some(status.message().to_owned()),
                    Err(status) => return Err(client.refused(&status).into()),
                },
                keys = typed.recv() => match keys {
                    Some(keys) if !view.typed(&keys) => {}
                    Some(_) | None => return Ok(()),
                },
                _ = resized.recv() => {}
                _ = ended.recv() => return Ok(()),
            }
            let lost = lost.as_deref();
            let frame = Frame { nodes: &known.0, running: &known.1, now_ms: clock::now_ms(), lost };
            terminal::show(&frame.drawn(&mut view, terminal::size())).map_err(unusable)?;
        }
    }

    async fn ask(
        &self,
        client: &Client,
        sort: Sort,
    ) -> Result<(ListNodesReply, RunningReply), tonic::Status> {
        let request = RunningRequest {
            project: self.project.clone(),
            node: self.node.clone(),
            job: self.job,
            order: RunningOrder::from(sort).into(),
            limit: MOST,
        };
        let mut nodes = client.nodes().list(ListNodesRequest {}).await?.into_inner();
        nodes.nodes.retain(|node| self.node.is_empty() || node.name == self.node);
        let running = client.nodes().running(request).await?.into_inner();
        Ok((nodes, running))
    }
}
