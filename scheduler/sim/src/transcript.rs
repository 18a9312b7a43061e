//! What happened lately, for people who look at a failed seed.

use std::collections::VecDeque;
use std::fmt;

use repower_agent_core::Moment;

/// The latest events, as lines. Off, it costs nothing: a failed seed is run once more with it on.
#[derive(Debug, Default)]
pub struct Transcript {
    most: usize,
    lines: VecDeque<String>,
}

impl Transcript {
    /// Keeps nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Keeps the latest `most` lines.
    pub fn latest(most: usize) -> Self {
        Self { most, lines: VecDeque::new() }
    }

    /// Adds a line; `words` is asked for them only if they are kept.
    pub fn note(&mut self, at: Moment, words: impl FnOnce() -> String) {
        if self.most == 0 {
            return;
        }
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        let ms = at.as_millis();
        let line = format!("{:>5}.{:03}s {}", ms / 1000, ms % 1000, words());
        self.lines.push_back(line);
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
