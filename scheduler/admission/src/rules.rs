//! Rules of YARA, which a policy may bring beside the patterns, in builds that have them.
//!
//! Where the build has none nothing can be made of them: whoever brings some is told so, and nothing goes on without
//! them in silence.

#[cfg(not(feature = "yara"))]
mod absent;
#[cfg(feature = "yara")]
mod built;

use std::fmt;

use repower_model::{JobSpec, Mark, Sign};

#[cfg(not(feature = "yara"))]
use absent as inner;
#[cfg(feature = "yara")]
use built as inner;

pub use inner::Rules;
pub(crate) use inner::Scan;

use crate::bounded::Budget;
use crate::{name, texts};

/// The most matches of one file that are told.
const TOLD: usize = 8;

/// Something that is wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// In their text, from 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What it is.
    pub problem: String,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesError {
    /// This build has no rules of YARA.
    Absent,
    /// They do not compile; by line.
    Wrong(Vec<RuleFault>),
}

impl RulesError {
    /// All of it in sentences, for rules that begin in this line of a policy.
    pub fn told(&self, first_line: usize) -> Vec<String> {
        match self {
            Self::Absent => vec![format!("line {first_line}: {self}")],
            Self::Wrong(faults) => {
                let line = |one: &RuleFault| first_line + one.line - 1;
                faults.iter().map(|one| format!("line {}: {}", line(one), one.problem)).collect()
            }
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "this build has no rules of YARA: build it with `--features yara`, or leave `yara-rules` out",
            ),
            Self::Wrong(faults) => {
                let told = |one: &RuleFault| format!("line {} of the rules: {}", one.line, one.problem);
                f.write_str(&faults.iter().map(told).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl std::error::Error for RulesError {}

/// What a look with rules has given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ruled {
    /// Names of rules that match.
    names: Vec<String>,
    /// Why the look is not whole.
    gap: Option<String>,
}

/// Marks of what rules have found in the file that was fed, or in a part of it.
pub(crate) fn judge(scan: &mut Scan<'_>, budget: &mut Budget, place: &str) {
    let Ruled { names, gap } = scan.end();
    for name in names.iter().take(TOLD) {
        budget.mark(Sign::Rule, place, told(name));
    }
    if let Some(gap) = gap {
        budget.unread(place, &gap);
    }
}

fn told(name: &str) -> String {
    format!("matches the rule `{name}` of the policy")
}

/// What rules find in the texts of a job, each for itself.
pub fn ruled(rules: &Rules, spec: &JobSpec) -> Vec<Mark> {
    let mut scan = Scan::new(rules);
    let mut marks = Vec::new();
    for (place, bytes) in texts::parts(spec) {
        scan.feed(&bytes);
        let Ruled { names, gap } = scan.end();
        let place = name::tame(&place);
        let mark = |sign, detail| Mark { sign, place: place.clone(), detail };
        marks.extend(names.iter().take(TOLD).map(|name| mark(Sign::Rule, told(name))));
        marks.extend(gap.map(|gap| mark(Sign::Unread, gap)));
        marks = Mark::heaviest(marks);
    }
    marks
}
