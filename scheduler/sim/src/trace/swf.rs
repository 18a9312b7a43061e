//! The Standard Workload Format of the Parallel Workloads Archive, version 2.
//!
//! Comments begin with `;`, and those at the top name what the machine was. A record is 18 numbers,
//! -1 for what is not known. Read are the job's number (1), its submission (2), run time (4),
//! allocated and requested processors (5, 8), requested time (9), user (12) and group (13); the
//! others must be numbers too.
//!
//! Definition: Chapin et al., "Benchmarks and standards for the evaluation of parallel job
//! schedulers", JSSPP 1999; <https://www.cs.huji.ac.il/labs/parallel/workload/swf.html>.

use std::io::BufRead;
use std::path::Path;

use repower_model::{Bytes, Cpus, Span};

use super::source::{Lines, MEMORY, memory, open};
use super::{Draft, Job, ProjectBy, Shape, TraceError, Workload};

/// Numbers of one record.
const FIELDS: usize = 18;

/// What the fields are, for people.
const NAMES: [&str; FIELDS] = [
    "the job's number",
    "the submit time",
    "the wait time",
    "the run time",
    "the number of allocated processors",
    "the average processor time",
    "the used memory",
    "the number of requested processors",
    "the requested time",
    "the requested memory",
    "the status",
    "the user",
    "the group",
    "the executable",
    "the queue",
    "the partition",
    "the preceding job",
    "the think time",
];

/// More seconds than any trace has: 30,000 years.
const MOST_SECONDS: f64 = 1e12;

/// Reads a trace. The filter: run time of at least 1 s, processors = the larger one of allocated
/// and requested, from 1; the estimate is the requested time, or the run time where there is none.
///
/// # Errors
///
/// [`TraceError`] with the line at which it cannot go on.
pub fn read(path: &Path, by: ProjectBy) -> Result<Workload, TraceError> {
    take(path, open(path)?, by)
}

/// Reads a trace that is in memory.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes(bytes: &[u8], by: ProjectBy) -> Result<Workload, TraceError> {
    take(Path::new(MEMORY), memory(bytes)?, by)
}

fn take(path: &Path, from: Box<dyn BufRead + '_>, by: ProjectBy) -> Result<Workload, TraceError> {
    let mut lines = Lines::of(path, from);
    let mut draft = Draft::default();
    let (mut processors, mut nodes) = (None, None);
    while let Some((line, text)) = lines.next()? {
        if let Some(comment) = text.strip_prefix(';') {
            note(comment, "MaxProcs:", &mut processors);
            note(comment, "MaxNodes:", &mut nodes);
        } else if !text.is_empty() {
            let record = parse(lines.path(), line, &text)?;
            add(&mut draft, &record, by);
        }
    }
    if draft.is_empty() {
        return Err(TraceError::Empty { path: path.to_owned(), what: "job that ran" });
    }
    Ok(draft.finish(processors.or(nodes), Vec::new()))
}

/// Notes what a comment of the header says about the machine.
fn note(comment: &str, key: &str, known: &mut Option<u64>) {
    if let Some(rest) = comment.trim_start().strip_prefix(key) {
        let number = rest.split_whitespace().next().and_then(|word| word.parse().ok());
        *known = known.or(number.filter(|number| *number > 0));
    }
}

fn parse(path: &Path, line: u64, text: &str) -> Result<[f64; FIELDS], TraceError> {
    let mut record = [0.0; FIELDS];
    let mut found = 0;
    for word in text.split_whitespace() {
        if let Some(field) = record.get_mut(found) {
            let value = word.parse().ok().filter(|value: &f64| value.abs() <= MOST_SECONDS);
            *field = value.ok_or_else(|| TraceError::Value {
                path: path.to_owned(),
                line,
                what: format!("{} (field {})", NAMES[found], found + 1),
                text: word.chars().take(40).collect(),
                wanted: "a number of reasonable size",
            })?;
        }
        found += 1;
    }
    if found == FIELDS {
        Ok(record)
    } else {
        Err(TraceError::Fields { path: path.to_owned(), line, found, wanted: FIELDS })
    }
}

fn add(draft: &mut Draft, record: &[f64; FIELDS], by: ProjectBy) {
    let project = match by {
        ProjectBy::Project => draft.project(""),
        ProjectBy::User => draft.project(&format!("user-{}", record[11])),
        ProjectBy::Group => draft.project(&format!("group-{}", record[12])),
    };
    let run = span(record[3]);
    let asked = span(record[8]);
    let cpus = Cpus::from_milli(span(record[4].max(record[7])).as_millis());
    let job = Job {
        id: u64::try_from(millis(record[0]) / 1000).unwrap_or(0),
        index: 0,
        submit: Span::ZERO,
        run,
        estimate: if asked == Span::ZERO { run } else { asked },
        cpus,
        shape: draft.shape(Shape::of(cpus, Bytes::default(), 0)),
        project,
        priority: 0,
    };
    draft.add(millis(record[1]), job);
}

/// Thousandths of a number whose size was checked.
#[expect(clippy::cast_possible_truncation, reason = "it is at most 1e15")]
fn millis(number: f64) -> i64 {
    (number * 1000.0).round() as i64
}

/// A length of time; none, where the number is negative.
fn span(seconds: f64) -> Span {
    Span::from_millis(u64::try_from(millis(seconds)).unwrap_or(0))
}
