//! Samples as lines of text, so that what was seen can be kept, sent and judged again.
//!
//! ```text
//! # milliseconds, what, and its values
//! 1000 registers process=12 thread=14 sse=up x87=nearest
//! 2000 flow socket=7 remote=10.0.0.9:443 allowed=no sent=120 received=4400
//! ```
//!
//! Empty lines and those that begin with `#` mean nothing. Time counts from any beginning.

use std::fmt::Write as _;
use std::str::FromStr;

use repower_model::Timestamp;

use super::patterns::Hits;
use super::{Area, Counters, Executable, ExecutableState, Flow, Memory, Mode, Registers, Sample};
use crate::{Moment, Now};

/// A line that is not a sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with a time and a word.
    #[error("line {line} does not begin with milliseconds and what was seen")]
    NoSample {
        /// Its number, from 1.
        line: usize,
    },
    /// No sample has this name.
    #[error("line {line} has a sample called {word:?}, which there is not")]
    UnknownSample {
        /// Its number, from 1.
        line: usize,
        /// The name.
        word: String,
    },
    /// A value is missing or is none.
    #[error("line {line} has no usable value for {key}")]
    BadValue {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
}

/// The samples of a recording, in its order.
///
/// # Errors
///
/// The first line that is not a sample.
pub fn read(text: &str) -> Result<Vec<(Now, Sample)>, Malformed> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, text)| sample(line, text)).collect()
}

/// A sample as a line, without its end.
pub fn line(sample: &Sample, now: Now) -> String {
    format!("{} {}", now.steady.as_millis(), words(sample))
}

/// What a line says after the time.
fn words(sample: &Sample) -> String {
    let mut line = String::new();
    let written = match sample {
        Sample::Registers(one) => write!(
            line,
            "registers process={} thread={} sse={} x87={}",
            one.process,
            one.thread,
            mode_word(one.sse),
            mode_word(one.x87)
        ),
        Sample::Memory(one) => write!(
            line,
            "memory process={} constants={} words={}",
            one.process,
            one.hits.constants(),
            one.hits.words()
        ),
        Sample::Executable(one) => {
            let state = match one.state {
                ExecutableState::Changed => "changed",
                ExecutableState::InMemory => "in-memory",
                ExecutableState::Deleted => "deleted",
            };
            write!(line, "executable process={} state={state}", one.process)
        }
        Sample::Mappings { process, areas } => {
            let areas: Vec<String> = areas.iter().map(area_word).collect();
            write!(line, "mappings process={process} areas={}", areas.join(","))
        }
        Sample::Flow(one) => write!(
            line,
            "flow socket={} remote={} allowed={} sent={} received={}",
            one.socket,
            one.remote,
            if one.is_allowed { "yes" } else { "no" },
            one.sent,
            one.received
        ),
        Sample::Counters(one) => {
            let progress = one.progress.map(|steps| format!(" progress={steps}"));
            write!(
                line,
                "counters cpu-ms={} moved={} output={}{}",
                one.cpu_ms,
                one.moved,
                one.output,
                progress.unwrap_or_default()
            )
        }
        Sample::Blocked { process } => write!(line, "blocked process={process}"),
        Sample::Traced { process } => write!(line, "traced process={process}"),
        Sample::Device { process } => write!(line, "device process={process}"),
    };
    written.expect("a string takes all that is written");
    line
}

fn sample(line: usize, text: &str) -> Result<(Now, Sample), Malformed> {
    let mut words = text.split_ascii_whitespace();
    let ms: Option<u64> = words.next().and_then(|word| word.parse().ok());
    let (Some(ms), Some(word)) = (ms, words.next()) else {
        return Err(Malformed::NoSample { line });
    };
    let values = Values { line, text };
    let sample = match word {
        "registers" => Sample::Registers(Registers {
            process: values.number("process")?,
            thread: values.number("thread")?,
            sse: values.mode("sse")?,
            x87: values.mode("x87")?,
        }),
        "memory" => Sample::Memory(Memory {
            process: values.number("process")?,
            hits: Hits::of(values.number("constants")?, values.number("words")?),
        }),
        "executable" => Sample::Executable(Executable {
            process: values.number("process")?,
            state: match values.word("state")? {
                "changed" => ExecutableState::Changed,
                "in-memory" => ExecutableState::InMemory,
                "deleted" => ExecutableState::Deleted,
                _ => return Err(Malformed::BadValue { line, key: "state" }),
            },
        }),
        "mappings" => {
            Sample::Mappings { process: values.number("process")?, areas: values.areas("areas")? }
        }
        "flow" => Sample::Flow(Flow {
            socket: values.number("socket")?,
            remote: values.number("remote")?,
            is_allowed: values.word("allowed")? == "yes",
            sent: values.number("sent")?,
            received: values.number("received")?,
        }),
        "counters" => Sample::Counters(Counters {
            cpu_ms: values.number("cpu-ms")?,
            moved: values.number("moved")?,
            output: values.number("output")?,
            progress: values.number("progress").ok(),
        }),
        "blocked" => Sample::Blocked { process: values.number("process")? },
        "traced" => Sample::Traced { process: values.number("process")? },
        "device" => Sample::Device { process: values.number("process")? },
        other => return Err(Malformed::UnknownSample { line, word: other.to_owned() }),
    };
    let wall = Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    Ok((Now { wall, steady: Moment::from_millis(ms) }, sample))
}

/// The values of one line.
#[derive(Debug, Clone, Copy)]
struct Values<'a> {
    line: usize,
    text: &'a str,
}

impl<'a> Values<'a> {
    fn word(self, key: &'static str) -> Result<&'a str, Malformed> {
        let pairs = self.text.split_ascii_whitespace().filter_map(|word| word.split_once('='));
        let mut found = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value);
        found.next().ok_or(Malformed::BadValue { line: self.line, key })
    }

    fn number<T: FromStr>(self, key: &'static str) -> Result<T, Malformed> {
        self.word(key)?.parse().map_err(|_| Malformed::BadValue { line: self.line, key })
    }

    fn mode(self, key: &'static str) -> Result<Mode, Malformed> {
        let word = self.word(key)?;
        let modes = [Mode::Nearest, Mode::Down, Mode::Up, Mode::Zero];
        let found = modes.into_iter().find(|mode| mode_word(*mode) == word);
        found.ok_or(Malformed::BadValue { line: self.line, key })
    }

    fn areas(self, key: &'static str) -> Result<Vec<Area>, Malformed> {
        let words = self.word(key)?.split(',').filter(|word| !word.is_empty());
        let areas = words.take(Sample::AREAS).map(area);
        areas.collect::<Option<_>>().ok_or(Malformed::BadValue { line: self.line, key })
    }
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Nearest => "nearest",
        Mode::Down => "down",
        Mode::Up => "up",
        Mode::Zero => "zero",
    }
}

/// Its length, `a` for anonymous, `x` for executable.
fn area_word(area: &Area) -> String {
    let anonymous = if area.is_anonymous { "a" } else { "" };
    let executable = if area.is_executable { "x" } else { "" };
    format!("{}{anonymous}{executable}", area.bytes)
}

fn area(word: &str) -> Option<Area> {
    let digits = word.trim_end_matches(['a', 'x']);
    let (bytes, rights) = (digits.parse().ok()?, &word[digits.len()..]);
    Some(Area { bytes, is_anonymous: rights.contains('a'), is_executable: rights.contains('x') })
}
