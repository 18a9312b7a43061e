//! What verdicts call for.

use std::collections::BTreeSet;
use std::fmt;

use super::{Tier, Verdict};

/// What is to be done about a task. The later, the harder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Response {
    /// Nothing.
    #[default]
    None,
    /// Ask for evidence of progress: an extra heartbeat, a sample to run again.
    Ask,
    /// Hold its outputs back, cut its connections, let a person look.
    Hold,
    /// Freeze it, keep a snapshot, let a person look.
    Freeze,
    /// End it: two witnesses that have nothing in common.
    Kill,
}

impl Response {
    /// What `verdicts` call for together.
    pub fn to(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let mut witnesses = BTreeSet::new();
        let mut response = Self::None;
        for verdict in verdicts {
            let alone = match verdict.rule.tier() {
                Tier::One => {
                    witnesses.insert(verdict.rule.mechanism());
                    Self::Freeze
                }
                Tier::Two => Self::Hold,
                Tier::Three => Self::Ask,
            };
            response = response.max(alone);
        }
        if witnesses.len() >= 2 { Self::Kill } else { response }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ask => "ask",
            Self::Hold => "hold",
            Self::Freeze => "freeze",
            Self::Kill => "kill",
        }
    }
}

impl fmt::Display for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}
