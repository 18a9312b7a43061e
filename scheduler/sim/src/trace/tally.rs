//! What was read, and what was left out by which rule.

use std::collections::BTreeMap;
use std::fmt;

/// Why a record of a trace is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It was submitted before the trace begins, or nobody knows when.
    NegativeSubmit,
    /// It ran less than a second, or nobody knows how long.
    TooShort,
    /// Nobody knows how many processors it had.
    NoProcessors,
    /// It asks for more than any node has.
    TooLarge,
    /// It never ran, or its journal ends before it did.
    NeverRan,
    /// It has several ranks.
    Gang,
}

impl Rule {
    /// The rule, in the words that follow "left out: 3 jobs ..".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NegativeSubmit => "whose submit time is negative",
            Self::TooShort => "that ran for less than a second, or for an unknown time",
            Self::NoProcessors => "with an unknown number of processors",
            Self::TooLarge => "that ask for more than any node has",
            Self::NeverRan => "that did not run to their end",
            Self::Gang => "of several ranks, which run only with --gangs",
        }
    }

    /// The stable code, as JSON writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::NegativeSubmit => "negative-submit",
            Self::TooShort => "too-short",
            Self::NoProcessors => "no-processors",
            Self::TooLarge => "too-large",
            Self::NeverRan => "never-ran",
            Self::Gang => "gang",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was read, and what was left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records in the trace.
    pub records: u64,
    /// Records that were left out, by rule; no rule with none.
    pub skipped: BTreeMap<Rule, u64>,
    /// Records that were submitted before the one above them, and sorted in.
    pub unsorted: u64,
    /// Good jobs outside of the window that was asked for.
    pub outside: u64,
    /// Jobs that run as gangs, because no single node could hold them.
    pub packed: u64,
    /// Columns that nothing was read from.
    pub unread: Vec<String>,
}

impl Tally {
    /// Counts records that a rule leaves out.
    pub fn skip(&mut self, rule: Rule, count: u64) {
        if count > 0 {
            *self.skipped.entry(rule).or_default() += count;
        }
    }
}
