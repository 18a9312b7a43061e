//! The policy file, as TOML writes it.

use std::collections::BTreeMap;

use repower_model::{Egress, Isolation};
use serde::Deserialize;
use toml::Spanned;

use super::scheduling::{ProjectTable, SchedulingTable};
use super::{Class, Policy, Tier, hash_of, nearest};

/// A text that is no policy. Nothing was adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The TOML is malformed, or has a key or a value that a policy does not have.
    #[error("line {line}, column {column}: {problem}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong, with the nearest right key where there is one.
        problem: String,
    },
    /// A class has a name that a class cannot have.
    #[error("line {line}: the class name `{name}` must be 1 to 64 characters of a-z, 0-9 and `-`")]
    ClassName {
        /// From 1.
        line: usize,
        /// As written.
        name: String,
    },
    /// A prohibited class without the rule that prohibits it.
    #[error("line {line}: class `{name}` is prohibited but names no `entry` to tell the submitter")]
    EntryMissing {
        /// From 1.
        line: usize,
        /// Which class.
        name: String,
    },
    /// No class that may run.
    #[error("the policy lets no class run")]
    NothingRuns,
    /// A table whose values cannot be.
    #[error("line {line}: {problem}")]
    Table {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An empty version.
    #[error("`policy-version` is empty")]
    VersionMissing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    policy_version: String,
    #[serde(default)]
    catalogue: Catalogue,
    class: BTreeMap<String, Spanned<Section>>,
    scheduling: Option<Spanned<SchedulingTable>>,
    #[serde(default)]
    project: BTreeMap<String, Spanned<ProjectTable>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Catalogue {
    #[serde(default)]
    edition: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    tier: Tier,
    #[serde(default)]
    about: String,
    #[serde(default)]
    entry: String,
    #[serde(default)]
    isolation: Level,
    #[serde(default)]
    egress: Reach,
}

/// The least isolation, as a policy writes it.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Level {
    #[default]
    Bare,
    Boxed,
    Sealed,
}

/// What of the network is reached, as a policy writes it.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Reach {
    #[default]
    Open,
    None,
}

impl Level {
    const fn isolation(self) -> Isolation {
        match self {
            Self::Bare => Isolation::Bare,
            Self::Boxed => Isolation::Boxed,
            Self::Sealed => Isolation::Sealed,
        }
    }
}

const KEYS: [&str; 9] = [
    "policy-version",
    "catalogue",
    "edition",
    "class",
    "tier",
    "about",
    "entry",
    "isolation",
    "egress",
];

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| malformed(text, &error))?;
    if file.policy_version.trim().is_empty() {
        return Err(PolicyError::VersionMissing);
    }
    let mut classes = BTreeMap::new();
    for (name, spanned) in file.class {
        let line = position(text, spanned.span().start).0;
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(right) {
            return Err(PolicyError::ClassName { line, name });
        }
        let Section { tier, about, entry, isolation, egress } = spanned.into_inner();
        let isolation = isolation.isolation();
        let egress = match egress {
            Reach::Open if isolation < Isolation::Sealed => Egress::Open,
            Reach::Open | Reach::None => Egress::None,
        };
        if tier == Tier::Prohibited && entry.trim().is_empty() {
            return Err(PolicyError::EntryMissing { line, name });
        }
        classes.insert(name, Class { tier, about, entry, isolation, egress });
    }
    if classes.values().all(|class| class.tier == Tier::Prohibited) {
        return Err(PolicyError::NothingRuns);
    }
    let wrong = |at: usize, problem| PolicyError::Table { line: position(text, at).0, problem };
    let scheduling = match file.scheduling {
        None => super::Scheduling::default(),
        Some(table) => table.get_ref().read().map_err(|why| wrong(table.span().start, why))?,
    };
    let projects = file.project.into_iter().map(|(name, table)| {
        let at = table.span().start;
        Ok((name, table.into_inner().read().map_err(|why| wrong(at, why))?))
    });
    Ok(Policy {
        version: file.policy_version,
        hash: hash_of(text.as_bytes()),
        text: text.to_owned(),
        edition: file.catalogue.edition,
        classes,
        scheduling,
        projects: projects.collect::<Result<_, _>>()?,
    })
}

fn malformed(text: &str, error: &toml::de::Error) -> PolicyError {
    let (line, column) = error.span().map_or((1, 1), |span| position(text, span.start));
    let mut problem = error.message().to_owned();
    if let Some(key) =
        problem.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
        && let Some(near) =
            nearest(key, KEYS.into_iter().chain(SchedulingTable::KEYS).chain(ProjectTable::KEYS))
    {
        problem = format!("unknown key `{key}`; did you mean `{near}`?");
    }
    PolicyError::Malformed { line, column, problem }
}

/// Line and column, from 1, of a byte of the text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_named_with_line_and_nearest() {
        let text = "policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\nentri = \"x\"\n";

        let error = Policy::parse(text).unwrap_err();

        assert_eq!(
            error.to_string(),
            "line 4, column 1: unknown key `entri`; did you mean `entry`?"
        );
    }

    #[test]
    fn a_prohibited_class_must_say_by_which_rule() {
        let text = "policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\n[class.b]\ntier = \"prohibited\"\n";

        let error = Policy::parse(text).unwrap_err();

        assert!(matches!(error, PolicyError::EntryMissing { line: 4, .. }), "{error}");
    }

    #[test]
    fn scheduling_and_projects_are_read_and_checked_by_line() {
        let with = |more: &str| {
            let text = format!("policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\n{more}");
            Policy::parse(&text)
        };
        let good = "[scheduling]\npolicy = \"easy\"\npreempt-from = 100\npreempt-below = 0\n\
            [project.physics]\nshare = 2.5\nquota-cpus = 64\nquota-extras = { gpu = 8 }\n";

        let policy = with(good).unwrap();

        assert_eq!(policy.scheduling.discipline, crate::plan::Discipline::Easy);
        assert_eq!(policy.projects["physics"].share_milli, 2500);
        assert_eq!(policy.projects["physics"].quota.len(), 2);
        let wrong = |more: &str| with(more).unwrap_err().to_string();
        assert_eq!(
            wrong("[scheduling]\nhalf-life-hours = 0\n"),
            "line 4: `half-life-hours` is 0, but must be at least 1"
        );
        assert!(wrong("[scheduling]\npolicy = \"fifo\"\n").starts_with("line 5, column 10: "));
        assert!(wrong("[project.a]\nshare = -1\n").contains("between 0.001"));
        assert!(wrong("[project.a]\nqota-cpus = 1\n").contains("did you mean `quota-cpus`"));
    }

    #[test]
    fn a_policy_that_lets_nothing_run_is_refused() {
        let text = "policy-version = \"1\"\n[class.b]\ntier = \"prohibited\"\nentry = \"x\"\n";

        assert_eq!(Policy::parse(text), Err(PolicyError::NothingRuns));
    }
}
