//! The workload and the machine, as the options ask for them.

use std::path::Path;

use repower_sim::replay::Replay;
use repower_sim::trace::{self, Machine, ProjectBy, Workload};

use super::error::SimError;
use super::journal::{self, Recorded};
use super::options::Sim;
use crate::failure::Failure;
use crate::render::Screen;
use crate::render::quantity::{count, cpus};

/// A workload and the machine that it runs on.
#[derive(Debug)]
pub(super) struct Room {
    /// Where the workload comes from.
    pub(super) name: String,
    pub(super) workload: Workload,
    pub(super) machine: Machine,
    /// Columns of the node list that nothing was read from.
    pub(super) unread: Vec<String>,
    /// How it went in truth, if that is known.
    pub(super) recorded: Option<Replay>,
}

impl Room {
    /// Reads what the options name, and leaves out what cannot run.
    pub(super) fn open(options: &Sim) -> Result<Self, SimError> {
        let (path, mut workload, recorded) = workload(options)?;
        let own = recorded.as_ref().map(|recorded| &recorded.machine);
        let (mut machine, unread) = machine(options, path, &workload, own)?;
        plus(&mut machine, options.plus);
        without(&mut machine, &options.without)?;
        if machine.nodes.is_empty() {
            return Err(SimError::NoNodes);
        }
        workload.fit(&machine, options.wide());
        workload.window(options.first_index, options.limit);
        if workload.jobs.is_empty() {
            let trace::Tally { records: given, outside, .. } = workload.tally;
            return Err(SimError::NoJobs { given, outside });
        }
        let recorded =
            recorded.map(|recorded| Replay { runs: recorded.runs(&workload), ..Replay::default() });
        Ok(Self { name: path.display().to_string(), workload, machine, unread, recorded })
    }

    /// Says what runs where, and what was left out.
    pub(super) fn describe(&self, screen: &mut Screen) -> Result<(), Failure> {
        let tally = &self.workload.tally;
        let (jobs, nodes) = (self.workload.jobs.len() as u64, self.machine.nodes.len() as u64);
        let gpus = match self.machine.gpus() {
            0 => String::new(),
            gpus => format!(" and {}", count(gpus, "GPU")),
        };
        let (jobs, nodes) = (count(jobs, "job"), count(nodes, "node"));
        let cpus = cpus(self.machine.cpus().as_milli());
        screen.line(format_args!("{}: {jobs} on {nodes} with {cpus} cpus{gpus}", self.name))?;
        for (rule, number) in &tally.skipped {
            screen.line(format_args!("left out: {} {rule}", count(*number, "job")))?;
        }
        if tally.packed > 0 {
            let packed = count(tally.packed, "job");
            screen.line(format_args!("as gangs: {packed} that no node could hold alone"))?;
        }
        if tally.outside > 0 {
            let outside = count(tally.outside, "job");
            screen.line(format_args!("left out: {outside} outside of the window"))?;
        }
        if tally.unsorted > 0 {
            let unsorted = count(tally.unsorted, "job");
            screen.line(format_args!("sorted in: {unsorted} below a later submission"))?;
        }
        for column in tally.unread.iter().chain(&self.unread) {
            screen.line(format_args!("not read: column `{column}`"))?;
        }
        screen.line("")?;
        Ok(())
    }
}

/// The workload, where it comes from, and how it went in truth.
fn workload(options: &Sim) -> Result<(&Path, Workload, Option<Recorded>), SimError> {
    let by = ProjectBy::from(options.project_by);
    let source = &options.source;
    if let Some(path) = &source.swf {
        return Ok((path, trace::swf::read(path, by)?, None));
    }
    if let Some(path) = &source.jobs {
        return Ok((path, trace::jobs::read(path, by)?, None));
    }
    let path = source.journal.as_ref().expect("clap asks for one of them");
    let mut recorded = journal::read(path, by, options.wide())?;
    let workload = std::mem::take(&mut recorded.workload);
    Ok((path, workload, Some(recorded)))
}

fn machine(
    options: &Sim,
    path: &Path,
    workload: &Workload,
    own: Option<&Machine>,
) -> Result<(Machine, Vec<String>), SimError> {
    if let Some(list) = &options.node_list {
        let list = trace::nodes::read(list)?;
        return Ok((list.machine, list.unread));
    }
    if let (Some(machine), None) = (own, options.nodes) {
        return Ok((machine.clone(), Vec::new()));
    }
    let (count, cpus) = match (options.nodes, workload.processors) {
        (Some(nodes), _) => nodes,
        (None, Some(processors)) => (1, processors),
        (None, None) => {
            return Err(SimError::NoMachine { path: path.display().to_string() });
        }
    };
    Ok((Machine::uniform(count, cpus), Vec::new()))
}

/// Adds equal nodes.
fn plus(machine: &mut Machine, more: Option<(usize, u64)>) {
    let Some((count, cpus)) = more else { return };
    let named = |(at, node): (usize, trace::Offer)| trace::Offer {
        name: format!("plus{}", at + 1),
        ..node
    };
    machine.nodes.extend(Machine::uniform(count, cpus).nodes.into_iter().enumerate().map(named));
}

fn without(machine: &mut Machine, names: &[String]) -> Result<(), SimError> {
    for name in names {
        let name_of =
            |node: Option<&trace::Offer>| node.map(|node| node.name.clone()).unwrap_or_default();
        let (first, last) = (name_of(machine.nodes.first()), name_of(machine.nodes.last()));
        let count = machine.nodes.len();
        if !machine.remove(name) {
            return Err(SimError::NodeUnknown { name: name.clone(), count, first, last });
        }
    }
    Ok(())
}
