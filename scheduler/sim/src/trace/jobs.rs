//! Jobs as CSV: `arrival,length,cpus` and perhaps more.
//!
//! | column | other names | meaning |
//! | --- | --- | --- |
//! | `arrival` | `submit` | seconds from the beginning of the trace |
//! | `length` | `run` | seconds that it runs |
//! | `cpus` | | processors, fractions allowed |
//! | `cpu_milli` | | instead of `cpus`: thousandths of a processor |
//! | `gpus` | `num_gpu` | whole GPUs; none if left out |
//! | `memory_mib` | | MiB of memory; none if left out |
//! | `estimate` | | seconds that its user said; `length` if left out |
//! | `priority` | | higher goes first; 0 if left out |
//! | `labels` | | rules about labels of nodes, as `--label` takes them, with blanks or `;` between |
//! | `isa` | | the least instruction set, `x86-64-v1` to `x86-64-v4` |
//! | `project`, `user`, `group` | | who pays, as the reader is told to look |
//!
//! Columns of other names are not read, and named in [`Tally::unread`](super::Tally).

use std::io::BufRead;
use std::path::Path;

use repower_model::{Bytes, Constraints, Cpus, IsaLevel, JobSpec, LabelRule, Span};

use super::source::{MEMORY, memory, open};
use super::table::{Column, Table};
use super::{Draft, Job, ProjectBy, Shape, TraceError, Workload};

/// More seconds than any trace has.
const MOST_SECONDS: f64 = 1e12;

/// More of anything else than a job may ask for.
const MOST: f64 = 1e9;

struct Columns {
    arrival: Column,
    length: Column,
    cpus: Column,
    /// Thousandths of a processor in one unit of `cpus`.
    milli: f64,
    gpus: Option<Column>,
    memory: Option<Column>,
    estimate: Option<Column>,
    priority: Option<Column>,
    labels: Option<Column>,
    isa: Option<Column>,
    project: Option<Column>,
}

/// Reads jobs.
///
/// # Errors
///
/// [`TraceError`] with the line at which it cannot go on.
pub fn read(path: &Path, by: ProjectBy) -> Result<Workload, TraceError> {
    take(path, open(path)?, by)
}

/// Reads jobs that are in memory.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes(bytes: &[u8], by: ProjectBy) -> Result<Workload, TraceError> {
    take(Path::new(MEMORY), memory(bytes)?, by)
}

fn take(path: &Path, from: Box<dyn BufRead + '_>, by: ProjectBy) -> Result<Workload, TraceError> {
    let mut table = Table::of(path, from)?;
    let columns = columns(&mut table, by)?;
    let mut draft = Draft::default();
    let mut row = 0;
    while table.advance()? {
        row += 1;
        add(&mut draft, &table, &columns, row)?;
    }
    if draft.is_empty() {
        return Err(TraceError::Empty { path: path.to_owned(), what: "job that ran" });
    }
    Ok(draft.finish(None, table.unread()))
}

fn columns(table: &mut Table<'_>, by: ProjectBy) -> Result<Columns, TraceError> {
    let (arrival, length) = (table.need(&["arrival", "submit"])?, table.need(&["length", "run"])?);
    let milli = table.find(&["cpu_milli"]).map(|column| (column, 1.0));
    let (cpus, milli) = match milli {
        Some(found) => found,
        None => (table.need(&["cpus"])?, 1000.0),
    };
    let project = match by {
        ProjectBy::Project => table.find(&["project"]),
        ProjectBy::User => Some(table.need(&["user"])?),
        ProjectBy::Group => Some(table.need(&["group", "project"])?),
    };
    Ok(Columns {
        arrival,
        length,
        cpus,
        milli,
        gpus: table.find(&["gpus", "num_gpu"]),
        memory: table.find(&["memory_mib"]),
        estimate: table.find(&["estimate"]),
        priority: table.find(&["priority"]),
        labels: table.find(&["labels"]),
        isa: table.find(&["isa"]),
        project,
    })
}

fn add(
    draft: &mut Draft,
    table: &Table<'_>,
    columns: &Columns,
    row: u64,
) -> Result<(), TraceError> {
    let optional = |column: Option<Column>, most| match column {
        Some(column) => Ok(table.number(column, most)?.unwrap_or(0.0)),
        None => Ok(0.0),
    };
    let missing = |column| table.wrong(column, "a number");
    let seconds = |column| table.number(column, MOST_SECONDS);
    let arrival = seconds(columns.arrival)?.ok_or_else(|| missing(columns.arrival))?;
    let run = span(seconds(columns.length)?.unwrap_or(0.0));
    let estimate = span(optional(columns.estimate, MOST_SECONDS)?);
    let cpus = table.number(columns.cpus, MOST)?.unwrap_or(0.0) * columns.milli;
    let (low, high) = JobSpec::PRIORITIES;
    let priority = match columns.priority.filter(|column| !table.text(*column).is_empty()) {
        None => 0,
        Some(column) => table
            .text(column)
            .parse()
            .ok()
            .filter(|priority| (low..=high).contains(priority))
            .ok_or_else(|| table.wrong(column, "a priority from -1000 to 1000"))?,
    };
    let gpus = optional(columns.gpus, MOST)?;
    if gpus.fract() != 0.0 || gpus < 0.0 {
        let column = columns.gpus.expect("a number was read from it");
        return Err(table.wrong(column, "a whole number of GPUs"));
    }
    let project = columns.project.map_or("", |column| table.text(column));
    let cpus = Cpus::from_milli(whole(cpus));
    let memory = Bytes::from_mib(whole(optional(columns.memory, MOST)?));
    let constraints = constraints(table, columns)?;
    let shape = Shape { constraints, ..Shape::of(cpus, memory, whole(gpus)) };
    let job = Job {
        id: row,
        index: 0,
        submit: Span::ZERO,
        run,
        estimate: if estimate == Span::ZERO { run } else { estimate },
        cpus,
        shape: draft.shape(shape),
        project: draft.project(project),
        priority,
    };
    draft.add(millis(arrival), job);
    Ok(())
}

/// Which nodes will do for a job.
fn constraints(table: &Table<'_>, columns: &Columns) -> Result<Constraints, TraceError> {
    let mut constraints = Constraints::default();
    if let Some(column) = columns.labels {
        let rules = words(table.text(column)).map(str::parse).collect();
        let rules: Result<Vec<LabelRule>, _> = rules;
        let good = rules.ok().filter(|rules| rules.len() <= LabelRule::MOST);
        let wanted = "rules about labels, as `gpu-model=V100|P100;!slow`";
        constraints.labels = good.ok_or_else(|| table.wrong(column, wanted))?;
        constraints.labels.sort_unstable();
        constraints.labels.dedup();
    }
    if let Some(column) = columns.isa {
        constraints.isa_level = level(table, column)?;
    }
    Ok(constraints)
}

/// What stands in one field, with blanks or `;` between.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ';' || c.is_whitespace()).filter(|word| !word.is_empty())
}

/// An instruction set; nothing where the row says nothing.
pub(super) fn level(table: &Table<'_>, column: Column) -> Result<Option<IsaLevel>, TraceError> {
    match table.text(column) {
        "" => Ok(None),
        name => {
            let wanted = "an instruction set: x86-64-v1 to x86-64-v4";
            IsaLevel::named(name).map(Some).ok_or_else(|| table.wrong(column, wanted))
        }
    }
}

/// Thousandths of a number whose size was checked.
#[expect(clippy::cast_possible_truncation, reason = "it is at most 1e15")]
fn millis(number: f64) -> i64 {
    (number * 1000.0).round() as i64
}

fn span(seconds: f64) -> Span {
    Span::from_millis(u64::try_from(millis(seconds)).unwrap_or(0))
}

/// The whole part of a number; 0 if it is negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at most 1e12")]
pub(super) fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
