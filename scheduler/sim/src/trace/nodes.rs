//! Nodes as CSV.
//!
//! | column | other names | meaning |
//! | --- | --- | --- |
//! | `name` | `sn` | 1 to 63 characters of a-z, 0-9, `-`, `.` and `_` |
//! | `cpus` | | processors |
//! | `cpu_milli` | | instead of `cpus`: thousandths of a processor |
//! | `memory_mib` | | MiB of memory |
//! | `memory` | | instead: a size with its unit, as `256GiB` |
//! | `gpus` | `gpu` | GPUs; none if left out |
//! | `model` | `gpu_model` | becomes the label `gpu-model` |
//! | `labels` | | names and values, as `rack=a3;disk=nvme`, with blanks or `;` between |
//! | `isa` | | the instruction set, `x86-64-v1` to `x86-64-v4`; none if left out |
//!
//! The node list of Alibaba's GPU trace of 2023 has this form.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

use repower_model::{Bytes, Cpus, LabelRule, Resources, check_label};

use super::jobs::{level, whole, words};
use super::source::{MEMORY, memory, open};
use super::table::{Column, Table};
use super::{GPU, Machine, Offer, TraceError};

/// More of anything than a node has.
const MOST: f64 = 1e9;

struct Columns {
    name: Column,
    cpus: Column,
    /// Thousandths of a processor in one unit of `cpus`.
    milli: f64,
    memory_mib: Option<Column>,
    memory: Option<Column>,
    gpus: Option<Column>,
    model: Option<Column>,
    labels: Option<Column>,
    isa: Option<Column>,
}

/// A list of nodes that was read.
#[derive(Debug)]
pub struct List {
    /// The nodes.
    pub machine: Machine,
    /// Columns that nothing was read from.
    pub unread: Vec<String>,
}

/// Reads a list of nodes.
///
/// # Errors
///
/// [`TraceError`] with the line at which it cannot go on.
pub fn read(path: &Path) -> Result<List, TraceError> {
    take(path, open(path)?)
}

/// Reads a list of nodes that is in memory.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<List, TraceError> {
    take(Path::new(MEMORY), memory(bytes)?)
}

fn take(path: &Path, from: Box<dyn BufRead + '_>) -> Result<List, TraceError> {
    let mut table = Table::of(path, from)?;
    let columns = columns(&mut table)?;
    let (mut nodes, mut names) = (Vec::new(), BTreeSet::new());
    while table.advance()? {
        let offer = offer(&table, &columns)?;
        if !names.insert(offer.name.clone()) {
            let (path, line) = (path.to_owned(), table.line());
            return Err(TraceError::NodeTwice { path, line, name: offer.name });
        }
        nodes.push(offer);
        if nodes.len() > Machine::MOST_NODES {
            let (path, most) = (path.to_owned(), Machine::MOST_NODES);
            return Err(TraceError::TooMany { path, what: "nodes", most });
        }
    }
    if nodes.is_empty() {
        return Err(TraceError::Empty { path: path.to_owned(), what: "node" });
    }
    Ok(List { machine: Machine { nodes }, unread: table.unread() })
}

fn columns(table: &mut Table<'_>) -> Result<Columns, TraceError> {
    let name = table.need(&["name", "sn"])?;
    let (cpus, milli) = match table.find(&["cpu_milli"]) {
        Some(column) => (column, 1.0),
        None => (table.need(&["cpus"])?, 1000.0),
    };
    Ok(Columns {
        name,
        cpus,
        milli,
        memory_mib: table.find(&["memory_mib"]),
        memory: table.find(&["memory"]),
        gpus: table.find(&["gpus", "gpu"]),
        model: table.find(&["model", "gpu_model"]),
        labels: table.find(&["labels"]),
        isa: table.find(&["isa"]),
    })
}

fn offer(table: &Table<'_>, columns: &Columns) -> Result<Offer, TraceError> {
    let amount = |column: Option<Column>| match column {
        Some(column) => Ok(whole(table.number(column, MOST)?.unwrap_or(0.0))),
        None => Ok(0),
    };
    let name = table.text(columns.name);
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    if !(1..=63).contains(&name.len()) || !name.chars().all(right) {
        return Err(table.wrong(columns.name, "1 to 63 characters of a-z, 0-9, `-`, `.` and `_`"));
    }
    let cpus = table.number(columns.cpus, MOST)?.unwrap_or(0.0) * columns.milli;
    if cpus < 1.0 {
        return Err(table.wrong(columns.cpus, "a number of processors above 0"));
    }
    let memory = match columns.memory {
        Some(column) => size(table.text(column))
            .ok_or_else(|| table.wrong(column, "a size with its unit, as `256GiB`"))?,
        None => Bytes::from_mib(amount(columns.memory_mib)?),
    };
    let gpus = amount(columns.gpus)?;
    let model = columns.model.map_or("", |column| table.text(column));
    let capacity = Resources {
        cpus: Cpus::from_milli(whole(cpus)),
        memory,
        extras: if gpus > 0 { vec![(GPU.to_owned(), gpus)] } else { Vec::new() },
        ..Resources::default()
    };
    let mut labels = labels(table, columns)?;
    if !model.is_empty() && !labels.iter().any(|(name, _)| name == "gpu-model") {
        labels.push(("gpu-model".to_owned(), model.to_owned()));
    }
    labels.sort_unstable();
    let level = columns.isa.map_or(Ok(None), |column| level(table, column))?;
    let isa_level = level.map_or_else(String::new, |level| level.to_string());
    Ok(Offer { name: name.to_owned(), capacity, labels, isa_level })
}

/// Labels of a row, no name twice.
fn labels(table: &Table<'_>, columns: &Columns) -> Result<Vec<(String, String)>, TraceError> {
    let Some(column) = columns.labels else { return Ok(Vec::new()) };
    let mut labels: Vec<(String, String)> = Vec::new();
    for word in words(table.text(column)) {
        let pair = word.split_once('=').filter(|(name, value)| check_label(name, value).is_ok());
        let is_new = |(name, _): &(&str, &str)| !labels.iter().any(|(known, _)| known == name);
        let wanted = "labels, each name once, as `rack=a3;disk=nvme`";
        let pair = pair.filter(is_new).filter(|_| labels.len() < LabelRule::MOST);
        let (name, value) = pair.ok_or_else(|| table.wrong(column, wanted))?;
        labels.push((name.to_owned(), value.to_owned()));
    }
    Ok(labels)
}

/// Reads `256GiB`, `256 GiB` or nothing, which is none.
fn size(text: &str) -> Option<Bytes> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return unit.is_empty().then(Bytes::default);
    }
    let shift = match unit.trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes <= 1 << 60).map(Bytes::new)
}
