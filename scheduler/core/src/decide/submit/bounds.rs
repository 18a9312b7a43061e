//! Bounds on what a job may say. There is a limit on everything.

mod demand;
mod files;
mod gang;
mod timing;

use repower_model::{Bytes, Cpus, Dimension, JobSpec, NodePhase, Resources, Source, Timestamp};

use crate::refusal::Refusal;
use crate::state::State;

/// What is kept of one job with its script, arguments and environment.
const MOST_BYTES: usize = 1 << 20;
/// Longest name of a job, a project, or a countable thing.
const MOST_NAME: usize = 128;
/// Longest path.
const MOST_PATH: usize = 4096;
/// Dependencies of one job, and countable things that a task may ask for.
const MOST_ITEMS: usize = 1000;
/// Retries of a task.
const MOST_RETRIES: u32 = 1000;
/// More processors than any machine has: a slip of the pen.
const MOST_CPUS: Cpus = Cpus::from_whole(1_000_000);

/// Checks what can be checked without knowing the nodes.
pub(super) fn check(spec: &JobSpec, now: Timestamp) -> Result<(), Refusal> {
    of(spec)?;
    timing::check(spec, now)
}

/// Checks what does not change with time.
pub(crate) fn of(spec: &JobSpec) -> Result<(), Refusal> {
    if spec.command.first().is_none_or(String::is_empty) && spec.script.is_empty() {
        return Err(Refusal::NothingToRun);
    }
    size(spec)?;
    text("the name", &spec.name, MOST_NAME)?;
    text("the project", &spec.project, MOST_NAME)?;
    if !spec.class.is_empty() {
        text("the class", &spec.class, MOST_NAME)?;
    }
    if !spec.working_folder.is_empty() {
        text("the working folder", &spec.working_folder, MOST_PATH)?;
        if !spec.working_folder.starts_with('/') {
            return bad("the working folder", "must be an absolute path, or nothing");
        }
    }
    if spec.command.iter().any(|word| word.contains('\0')) {
        return bad("an argument", "has a NUL byte in it, which no program can be given");
    }
    for variable in &spec.environment {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            return bad("the name of a variable", "is empty, or has `=` or a NUL byte in it");
        }
        if variable.name.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
            return bad("the name of a variable", "has a blank or a control character in it");
        }
        if variable.value.contains('\0') {
            return bad("the value of a variable", "has a NUL byte in it");
        }
        if variable.name.starts_with("REPOWER_") {
            return bad("a variable", "begins with REPOWER_, which is kept for Repower's own");
        }
    }
    numbers(spec)?;
    demand::check(spec)?;
    gang::check(spec)?;
    files::check(spec)
}

fn numbers(spec: &JobSpec) -> Result<(), Refusal> {
    let (lowest, highest) = JobSpec::PRIORITIES;
    if !(lowest..=highest).contains(&spec.priority) {
        return out("the priority", spec.priority, format!("between {lowest} and {highest}"));
    }
    for (what, count) in [("user", spec.retries.user), ("system", spec.retries.system)] {
        if count > MOST_RETRIES {
            let what = if what == "user" {
                "the number of retries"
            } else {
                "the number of system retries"
            };
            return out(what, count, format!("at most {MOST_RETRIES}"));
        }
    }
    let dependencies = spec.dependencies.len();
    if dependencies > MOST_ITEMS {
        return out("the number of dependencies", dependencies, format!("at most {MOST_ITEMS}"));
    }
    if spec.array.limit == Some(0) {
        return out("the array's limit", 0, "at least 1, or left out".into());
    }
    amounts(&spec.resources)
}

/// Checks what one task asks for, or would ask for as an alternative.
fn amounts(asked: &Resources) -> Result<(), Refusal> {
    let (cpus, extras) = (asked.cpus, asked.extras.len());
    if cpus == Cpus::default() || cpus > MOST_CPUS {
        return out("the number of cpus", cpus, format!("more than 0 and at most {MOST_CPUS}"));
    }
    if extras > MOST_ITEMS {
        return out("the number of extras", extras, format!("at most {MOST_ITEMS}"));
    }
    asked.extras.iter().try_for_each(|(name, _)| text("the name of an extra", name, MOST_NAME))
}

/// Refuses what no node could ever hold, also as an alternative. While nothing is enrolled,
/// nothing is known, and it waits.
pub(super) fn fits_somewhere(state: &State, spec: &JobSpec) -> Result<(), Refusal> {
    let mut all = std::iter::once(&spec.resources).chain(&spec.alternatives);
    all.try_for_each(|asked| {
        holds(state, asked)?;
        gang::fits_somewhere(state, spec, asked)
    })
}

fn holds(state: &State, asked: &Resources) -> Result<(), Refusal> {
    let known = || state.nodes.values().filter(|node| node.phase != NodePhase::Enrolled);
    if known().next().is_none() || known().any(|node| node.capacity().holds(asked)) {
        return Ok(());
    }
    let most = |dimension: &Dimension| {
        known()
            .max_by_key(|node| node.capacity().amount(dimension))
            .map(|node| (node.capacity().amount(dimension), node.name.clone()))
    };
    let fixed = [Dimension::Cpus, Dimension::Memory, Dimension::Disk];
    let extras = asked.extras.iter().map(|(name, _)| Dimension::Extra(name.clone()));
    for dimension in fixed.into_iter().chain(extras) {
        let Some((amount, node)) = most(&dimension) else {
            continue;
        };
        if amount < asked.amount(&dimension) {
            return Err(Refusal::TaskTooLarge {
                asked: dimension.show(asked.amount(&dimension)),
                most: dimension.show(amount),
                dimension: dimension.to_string(),
                node,
            });
        }
    }
    // Each amount is on some node, but never all of them on one: it waits for such a node.
    Ok(())
}

fn size(spec: &JobSpec) -> Result<(), Refusal> {
    let words = spec.command.iter().map(String::len);
    let variables = spec.environment.iter().map(|one| one.name.len() + one.value.len());
    let rules = spec.constraints.labels.iter();
    let labels = rules.flat_map(|rule| std::iter::once(&rule.name).chain(&rule.values));
    let outputs = spec.outputs.iter().map(String::len);
    let inputs = spec.inputs.iter().map(|input| match &input.source {
        Source::Stored { .. } => input.path.len() + 32,
        Source::Url { url, .. } => input.path.len() + url.len() + 32,
    });
    let parts = words.chain(variables).chain(labels.map(String::len)).chain(outputs).chain(inputs);
    let parts = parts.map(|length| length + 8);
    let total: usize = spec.script.len() + parts.sum::<usize>();
    if total > MOST_BYTES {
        let asked = Bytes::new(total as u64);
        return Err(Refusal::JobTooLarge { asked, most: Bytes::new(MOST_BYTES as u64) });
    }
    Ok(())
}

fn text(what: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return bad(what, "is empty");
    }
    if text.len() > most {
        let problem = format!("has {} bytes, but may have at most {most}", text.len());
        return Err(Refusal::BadText { what, problem });
    }
    if text.chars().any(char::is_control) {
        return bad(what, "has a control character in it");
    }
    Ok(())
}

fn bad(what: &'static str, problem: &str) -> Result<(), Refusal> {
    Err(Refusal::BadText { what, problem: problem.to_owned() })
}

pub(super) fn out(
    what: &'static str,
    asked: impl std::fmt::Display,
    allowed: String,
) -> Result<(), Refusal> {
    Err(Refusal::OutOfBounds { what, asked: asked.to_string(), allowed })
}
