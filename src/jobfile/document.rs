//! Job files: TOML with one key for each option of `repower submit`, and `command` or `script`.

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::directive::Wrong;
use super::draft::Draft;
use crate::text;

/// What a job file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// All that options could say too.
    pub draft: Draft,
    /// The program and its arguments, or the arguments of the script.
    pub command: Vec<String>,
    /// A script, relative to the folder of the job file.
    pub script: Option<PathBuf>,
}

/// Why a text is not a job file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}, column {column}: {problem}")]
pub struct DocumentError {
    file: String,
    line: usize,
    column: usize,
    problem: Problem,
}

/// What is wrong at one place of a job file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that a job does not have.
    #[error("a job has no key `{key}`")]
    Unknown {
        /// As written.
        key: String,
        /// The one that it most resembles.
        nearest: Option<&'static str>,
    },
    /// A value of another kind than the key has.
    #[error("`{key}` is {found}, but must be {expected}")]
    Kind {
        /// Which key.
        key: String,
        /// What there is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A value of the right kind that makes no sense.
    #[error("{0}")]
    Value(Wrong),
}

impl DocumentError {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match &self.problem {
            Problem::Syntax(_) => "see https://toml.io for the form of such files".to_owned(),
            Problem::Unknown { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Problem::Unknown { nearest: None, .. } => format!("a job has: {}", names().join(", ")),
            Problem::Kind { .. } => "docs/cli.md shows a job file with every key".to_owned(),
            Problem::Value(wrong) => {
                wrong.hint().unwrap_or("`repower submit --help` shows what it may be").to_owned()
            }
        }
    }
}

/// Keys that take one text or number.
const SINGLE: [&str; 29] = [
    "array",
    "checkpoint-exit",
    "checkpoint-grace",
    "checkpoint-signal",
    "class",
    "cpus",
    "deadline",
    "disk",
    "egress",
    "expect",
    "grace",
    "image",
    "io-weight",
    "isa",
    "isolation",
    "keep-outputs",
    "layout",
    "memory",
    "name",
    "nodes",
    "on-disconnect",
    "pids",
    "priority",
    "project",
    "ranks-per-node",
    "retries",
    "start-after",
    "system-retries",
    "time-limit",
];
/// Keys that are true or false.
const FLAGS: [&str; 3] = ["checkpoint", "exclusive", "pin-cpus"];
/// Keys that take one or a list of them.
const LISTS: [&str; 7] = ["after", "after-any", "after-not-ok", "input", "label", "or", "outputs"];
/// Keys that take a table of names and values.
const TABLES: [&str; 2] = ["env", "extra"];
/// Keys that no option has, or that options call otherwise.
const OWN: [&str; 3] = ["command", "script", "workdir"];

fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = [&SINGLE[..], &FLAGS, &LISTS, &TABLES, &OWN].concat();
    names.sort_unstable();
    names
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    draft: Draft,
}

/// Reads a job file; `file` is what errors call it.
///
/// # Errors
///
/// [`DocumentError`], with line and column of the first thing that is wrong.
pub fn read(file: &str, text: &str) -> Result<Document, DocumentError> {
    let at = |place: usize, problem| located(file, text, place, problem);
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start);
        at(place, Problem::Syntax(error.message().to_owned()))
    })?;
    let mut document = Document::default();
    let mut parser = Line::command();
    // In the order of the file, so that the first mistake in it is the one that is told.
    let table = table.into_inner();
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let place = value.span().start;
        match key.get_ref().as_ref() {
            "command" => document.command = words(value).map_err(|problem| at(place, problem))?,
            "script" => {
                let script =
                    text_of("script", value.get_ref()).map_err(|problem| at(place, problem))?;
                document.script = Some(script.into());
            }
            name => {
                let known = names().into_iter().find(|known| *known == name).ok_or_else(|| {
                    at(
                        key.span().start,
                        Problem::Unknown { key: name.to_owned(), nearest: nearest(name) },
                    )
                })?;
                let options = options(known, value).map_err(|problem| at(place, problem))?;
                let wrong =
                    |error: &clap::Error| at(place, Problem::Value(Wrong::from_clap(error)));
                let matches =
                    parser.try_get_matches_from_mut(options).map_err(|error| wrong(&error))?;
                let line = Line::from_arg_matches(&matches).map_err(|error| wrong(&error))?;
                document.draft = line.draft.over(document.draft);
            }
        }
    }
    Ok(document)
}

/// Returns one key and its value as the options that say the same.
fn options(key: &'static str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Problem> {
    let value = value.get_ref();
    if TABLES.contains(&key) {
        let DeValue::Table(table) = value else {
            return Err(kind(key, value, "a table of names and values"));
        };
        let pair = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            Ok(format!("--{key}={}={}", name.get_ref(), text_of(key, value.get_ref())?))
        };
        return table.iter().map(pair).collect();
    }
    if FLAGS.contains(&key) {
        let DeValue::Boolean(whether) = value else {
            return Err(kind(key, value, "true or false"));
        };
        return Ok(vec![format!("--{key}={whether}")]);
    }
    if LISTS.contains(&key)
        && let DeValue::Array(list) = value
    {
        return list
            .iter()
            .map(|one| Ok(format!("--{key}={}", text_of(key, one.get_ref())?)))
            .collect();
    }
    Ok(vec![format!("--{key}={}", text_of(key, value)?)])
}

fn words(value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Problem> {
    let expected = "a list of the program and its arguments";
    let DeValue::Array(list) = value.get_ref() else {
        return Err(kind("command", value.get_ref(), expected));
    };
    list.iter().map(|word| text_of("command", word.get_ref())).collect()
}

/// Returns a text or number as written; other kinds have no option that could take them.
fn text_of(key: &str, value: &DeValue<'_>) -> Result<String, Problem> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Datetime(moment) => Ok(moment.to_string()),
        DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(kind(key, value, "a text or a decimal number"))
        }
    }
}

fn kind(key: &str, value: &DeValue<'_>, expected: &'static str) -> Problem {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::Kind { key: key.to_owned(), found, expected }
}

fn nearest(key: &str) -> Option<&'static str> {
    text::nearest(key, names().into_iter())
}

fn located(file: &str, whole: &str, place: usize, problem: Problem) -> DocumentError {
    let (line, column) = text::place(whole, place);
    DocumentError { file: file.to_owned(), line, column, problem }
}

#[cfg(test)]
mod tests;
