//! Replay: a trace in a virtual machine room, scheduled by the shipping engine.
//!
//! No network, no agents and no delays: an order takes effect at the instant at which it is given,
//! and an end is reported at the instant at which it happens. Second `x` of a trace is
//! [`FOUNDED`]` + x s`. What happens at one instant happens in the order *completions, arrivals,
//! signals*, each by id, and then the engine is asked for places, once
//! ([`Rule::Instant`]). The results of backfill depend on that.

mod error;
mod events;
mod faults;
mod happen;
mod ids;
mod inputs;
mod live;
mod room;
mod setup;

use std::collections::BTreeMap;

use repower_model::{Span, Timestamp};

pub use error::ReplayError;
pub use faults::Faults;
pub use setup::{CLASS, Rule, Setup, policy_text};

use crate::clock::EPOCH;
use crate::trace::Workload;

/// When the cell of a replay is founded: second 0 of the trace.
pub const FOUNDED: Timestamp = EPOCH;

/// What became of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// When the attempt that did the work began, from second 0 of the trace.
    pub start: Span,
    /// When it ended.
    pub end: Span,
    /// On which node, by its place in the machine; of several, the first.
    pub node: u32,
    /// Whether it ended as it should; else it was given up after too many lost attempts.
    pub done: bool,
}

/// What was waiting and running after an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Span,
    /// Jobs that wait.
    pub waiting: u32,
    /// Jobs that run.
    pub running: u32,
    /// Thousandths of processors that they hold.
    pub cpu_milli: u64,
}

/// How a replay went.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// One for each job of the workload, in its order.
    pub runs: Vec<Run>,
    /// Of each gang, by its place in the workload: on which nodes, by their places in the machine, and
    /// how many ranks on each.
    pub spread: BTreeMap<usize, Vec<(u32, u32)>>,
    /// What waited and ran over time; empty if it was not asked for.
    pub samples: Vec<Sample>,
    /// Facts that the engine made.
    pub facts: u64,
    /// Passes that it was asked for.
    pub passes: u64,
    /// Attempts that ended with their node.
    pub lost: u64,
    /// Attempts that made room for more urgent ones.
    pub preempted: u64,
    /// Nodes that failed.
    pub failures: u64,
}

impl Replay {
    /// On which nodes a job of the workload was, and how much it had there of what it has in all.
    pub fn shares(&self, at: usize, cpu_milli: u64) -> Vec<(u32, u64)> {
        let Some(parts) = self.spread.get(&at) else {
            return vec![(self.runs[at].node, cpu_milli)];
        };
        let ranks: u64 = parts.iter().map(|(_, ranks)| u64::from(*ranks)).sum();
        let rank = cpu_milli / ranks.max(1);
        parts.iter().map(|(node, ranks)| (*node, rank * u64::from(*ranks))).collect()
    }
}

/// Runs a workload. `watch` is told now and then how many jobs have ended.
///
/// # Errors
///
/// [`ReplayError`] if the engine refuses what the trace asks for, or leaves something waiting for
/// which nothing can happen any more.
pub fn replay(
    workload: &Workload,
    setup: &Setup<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<Replay, ReplayError> {
    let mut room = room::Room::found(workload, setup)?;
    room.run(watch)?;
    Ok(room.leave())
}
