//! Progress on standard error: a bar on a terminal, a line each tenth elsewhere.

use std::fmt;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use repower_proto::v1::JobSummary;

use super::quantity::percent;

/// How far some jobs are, drawn over and over.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    /// The last tenth that was told.
    Lines(Option<u64>),
}

impl Progress {
    /// Shows nothing.
    pub fn none() -> Self {
        Self { shown: Shown::Nothing }
    }

    /// Shows a bar, or lines where there is no terminal.
    pub(crate) fn visible() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { shown: Shown::Lines(None) };
        }
        let style = "{wide_bar:.cyan/blue} {pos}/{len} tasks{msg}, {rate}/s, ETA {eta}";
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
            .with_style(
                ProgressStyle::with_template(style)
                    .expect("a constant that is well formed")
                    .with_key("rate", rate),
            );
        Self { shown: Shown::Bar(bar) }
    }

    /// Shows where the jobs are now.
    pub fn update<'a>(&mut self, jobs: impl Iterator<Item = &'a JobSummary>) {
        if matches!(self.shown, Shown::Nothing) {
            return;
        }
        let sum = jobs.fold(Sum::default(), Sum::and);
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(sum.total);
                bar.set_position(sum.done);
                bar.set_message(sum.words());
            }
            Shown::Lines(last) => {
                let tenth = percent(sum.done, sum.total) / 10;
                if *last != Some(tenth) {
                    *last = Some(tenth);
                    eprint_line(&format!("{}/{} tasks{}", sum.done, sum.total, sum.words()));
                }
            }
        }
    }

    /// Runs something that writes to the terminal, with the bar out of its way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(write),
            Shown::Nothing | Shown::Lines(_) => write(),
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Writes how many go by in a second, with one digit after the point.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    write!(out, "{:.1}", state.per_sec()).expect("a String takes all");
}

#[expect(
    clippy::print_stderr,
    reason = "this is part of the renderer, and the bar writes there too"
)]
fn eprint_line(line: &str) {
    eprintln!("{line}");
}

/// Tasks of all the jobs together.
#[derive(Debug, Default)]
struct Sum {
    total: u64,
    done: u64,
    running: u64,
    failed: u64,
}

impl Sum {
    fn and(self, job: &JobSummary) -> Self {
        Self {
            total: self.total + job.tasks,
            done: self.done + job.succeeded + job.failed + job.cancelled,
            running: self.running + job.running,
            failed: self.failed + job.failed,
        }
    }

    /// Returns what is not zero: `, 4 running, 1 failed`.
    fn words(&self) -> String {
        let parts = [(self.running, "running"), (self.failed, "failed")];
        let seen = parts.iter().filter(|(number, _)| *number > 0);
        let words: Vec<String> = seen.map(|(number, word)| format!(", {number} {word}")).collect();
        words.concat()
    }
}

/// Counts facts on a terminal; elsewhere it is silent.
#[derive(Debug)]
pub struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// A counter that is seen only if wanted, and on a terminal.
    pub(crate) fn new(wanted: bool) -> Self {
        let target = if wanted {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{pos} facts, {rate}/s")
            .expect("a constant that is well formed")
            .with_key("rate", rate);
        Self { bar: ProgressBar::with_draw_target(None, target).with_style(style) }
    }

    /// So many have been looked at.
    pub fn at(&self, count: u64) {
        self.bar.set_position(count);
    }

    /// Takes the counter away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

/// Counts what is done of something whose size is known, on a terminal; elsewhere it is silent.
#[derive(Debug)]
pub struct Steps {
    bar: ProgressBar,
}

impl Steps {
    /// A bar that is seen only if wanted, and on a terminal.
    pub(crate) fn new(wanted: bool, name: &str, jobs: u64) -> Self {
        let target = if wanted {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = "{prefix:>12} {bar:24.cyan/blue} {pos}/{len} jobs, {rate}/s, ETA {eta}";
        let style = ProgressStyle::with_template(style)
            .expect("a constant that is well formed")
            .with_key("rate", rate);
        let bar = ProgressBar::with_draw_target(Some(jobs), target).with_style(style);
        Self { bar: bar.with_prefix(name.to_owned()) }
    }

    /// So many are done.
    pub fn at(&self, count: u64) {
        self.bar.set_position(count);
    }

    /// Takes the bar away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}
