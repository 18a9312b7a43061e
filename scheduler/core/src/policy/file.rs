//! The policy file, as TOML writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::admission::{AdmissionTable, ApprovalsTable};
use super::catalogue::{CatalogueTable, MappingTable};
use super::class::ClassTable;
use super::detector::{Detector, DetectorTable};
use super::scheduling::{ProjectTable, SchedulingTable};
use super::site::SiteTable;
use super::tariff::TariffTable;
use super::{Class, Mapping, Policy, Tier, hash_of, nearest};
use super::{admission, catalogue, class, detector, site, tariff};

/// The newest format that is read; a policy that does not say has the first.
const FORMAT: u32 = 1;

/// The longest `policy-version`, in bytes.
const LONGEST: usize = 128;

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
    /// It is of a format that came after this release.
    #[error("line {line}: the policy is of format {format}, but this release reads up to {FORMAT}")]
    Newer {
        /// From 1.
        line: usize,
        /// What it says.
        format: i64,
    },
    /// A class has a name that a class cannot have.
    #[error("line {line}: the class name `{name}` must be 1 to 64 characters of a-z, 0-9 and `-`")]
    ClassName {
        /// From 1.
        line: usize,
        /// As written.
        name: String,
    },
    /// Something is said of a class that the policy does not have.
    #[error("line {line}: there is no class `{name}`{}", near(nearest.as_ref()))]
    ClassUnknown {
        /// From 1.
        line: usize,
        /// As written.
        name: String,
        /// The class that looks most like it.
        nearest: Option<String>,
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
    /// No version.
    #[error("`policy-version` is missing or empty")]
    VersionMissing,
    /// A version that cannot be shown in a line.
    #[error("`policy-version` must have at most {LONGEST} bytes and no control characters")]
    VersionWrong,
}

impl PolicyError {
    /// The line that is wrong, from 1; 0: it is about the whole.
    pub fn line(&self) -> usize {
        match self {
            Self::Malformed { line, .. }
            | Self::Newer { line, .. }
            | Self::ClassName { line, .. }
            | Self::ClassUnknown { line, .. }
            | Self::EntryMissing { line, .. }
            | Self::Table { line, .. } => *line,
            Self::NothingRuns | Self::VersionMissing | Self::VersionWrong => 0,
        }
    }
}

/// An error, and the byte of the text that it is about; `None`: the whole.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: Option<usize>,
    pub(super) error: PolicyError,
}

impl From<PolicyError> for Wrong {
    fn from(error: PolicyError) -> Self {
        Self { at: None, error }
    }
}

fn near(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    policy_version: String,
    #[serde(default, rename = "format")]
    _format: Option<i64>,
    #[serde(default)]
    jurisdictions: Vec<String>,
    site: Option<Spanned<SiteTable>>,
    catalogue: Option<Spanned<CatalogueTable>>,
    #[serde(default)]
    mapping: BTreeMap<String, Spanned<MappingTable>>,
    #[serde(default)]
    class: BTreeMap<String, Spanned<ClassTable>>,
    detector: Option<Spanned<DetectorTable>>,
    #[serde(default)]
    admission: AdmissionTable,
    #[serde(default)]
    approvals: ApprovalsTable,
    #[serde(default)]
    tariff: BTreeMap<String, Spanned<TariffTable>>,
    scheduling: Option<Spanned<SchedulingTable>>,
    #[serde(default)]
    project: BTreeMap<String, Spanned<ProjectTable>>,
}

/// The part that all formats have.
#[derive(Deserialize)]
struct Format {
    format: Option<Spanned<i64>>,
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    check_format(text)?;
    let table = DeTable::parse(text).map_err(|error| malformed(text, &error))?;
    read(text, table).map_err(|wrong| wrong.error)
}

/// Reads what is TOML: the table of `text`, or what is left of it.
pub(super) fn read(text: &str, table: Spanned<DeTable<'_>>) -> Result<Policy, Wrong> {
    let file = File::deserialize(toml::Deserializer::from(table)).map_err(|error| {
        let at = error.span().map(|span| span.start);
        Wrong { at, error: malformed(text, &error) }
    })?;
    let wrong = |at: usize, problem| {
        let line = position(text, at).0;
        Wrong { at: Some(at), error: PolicyError::Table { line, problem } }
    };
    let detector = match file.detector {
        None => Detector::default(),
        Some(table) => {
            let at = table.span().start;
            table.into_inner().read(&Detector::default()).map_err(|why| wrong(at, why))?
        }
    };
    let classes = classes(text, file.class, &detector)?;
    let scheduling = match file.scheduling {
        None => super::Scheduling::default(),
        Some(table) => table.get_ref().read().map_err(|why| wrong(table.span().start, why))?,
    };
    let projects = file.project.into_iter().map(|(name, table)| {
        let at = table.span().start;
        Ok::<_, Wrong>((name, table.into_inner().read().map_err(|why| wrong(at, why))?))
    });
    let tariffs = file.tariff.into_iter().map(|(name, table)| {
        let at = table.span().start;
        Ok::<_, Wrong>((name, table.into_inner().read().map_err(|why| wrong(at, why))?))
    });
    let catalogue = match file.catalogue {
        None => super::Catalogue::default(),
        Some(table) => {
            let at = table.span().start;
            table.into_inner().read().map_err(|why| wrong(at, why))?
        }
    };
    let site = match file.site {
        None => BTreeMap::new(),
        Some(table) => {
            let at = table.span().start;
            table.into_inner().read().map_err(|why| wrong(at, why))?
        }
    };
    let admission =
        file.admission.read(file.approvals, text).map_err(|(at, why)| wrong(at, why))?;
    let mappings = mappings(text, file.mapping, &classes)?;
    if file.policy_version.trim().is_empty() {
        return Err(PolicyError::VersionMissing.into());
    }
    Ok(Policy {
        version: file.policy_version,
        hash: hash_of(text.as_bytes()),
        text: text.to_owned(),
        jurisdictions: file.jurisdictions,
        site,
        catalogue,
        mappings,
        classes,
        detector,
        admission,
        tariffs: tariffs.collect::<Result<_, Wrong>>()?,
        scheduling,
        projects: projects.collect::<Result<_, Wrong>>()?,
    })
}

/// What is asked of a policy that is to be adopted beyond that it can be read: policies that were
/// adopted before it was asked are read all the same.
pub(super) fn check_version(version: &str) -> Result<(), PolicyError> {
    if version.len() > LONGEST || version.chars().any(char::is_control) {
        return Err(PolicyError::VersionWrong);
    }
    Ok(())
}

/// A text of a later format is said to be that, whatever else this release makes of it.
fn check_format(text: &str) -> Result<(), PolicyError> {
    let Ok(Format { format: Some(format) }) = toml::from_str(text) else { return Ok(()) };
    let (line, format) = (position(text, format.span().start).0, format.into_inner());
    match u32::try_from(format) {
        Ok(1..=FORMAT) => Ok(()),
        Ok(0) | Err(_) if format <= 0 => {
            Err(PolicyError::Table { line, problem: "`format` is at least 1" })
        }
        Ok(_) | Err(_) => Err(PolicyError::Newer { line, format }),
    }
}

fn classes(
    text: &str,
    tables: BTreeMap<String, Spanned<ClassTable>>,
    detector: &Detector,
) -> Result<BTreeMap<String, Class>, Wrong> {
    let mut classes = BTreeMap::new();
    for (name, spanned) in tables {
        let at = spanned.span().start;
        let line = position(text, at).0;
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(right) {
            return Err(Wrong { at: Some(at), error: PolicyError::ClassName { line, name } });
        }
        let class = spanned.into_inner().read(at, detector).map_err(|(at, problem)| {
            let line = position(text, at).0;
            Wrong { at: Some(at), error: PolicyError::Table { line, problem } }
        })?;
        if class.tier == Tier::Prohibited && class.entry.trim().is_empty() {
            return Err(Wrong { at: Some(at), error: PolicyError::EntryMissing { line, name } });
        }
        classes.insert(name, class);
    }
    if classes.values().all(|class| class.tier == Tier::Prohibited) {
        return Err(PolicyError::NothingRuns.into());
    }
    Ok(classes)
}

fn mappings(
    text: &str,
    tables: BTreeMap<String, Spanned<MappingTable>>,
    classes: &BTreeMap<String, Class>,
) -> Result<BTreeMap<String, Mapping>, Wrong> {
    let mut mappings = BTreeMap::new();
    for (name, table) in tables {
        let start = table.span().start;
        let line = position(text, start).0;
        let read = table.into_inner().read();
        let (mapping, named) = read.map_err(|problem| Wrong {
            at: Some(start),
            error: PolicyError::Table { line, problem },
        })?;
        if let Some((name, at)) = named.into_iter().find(|(name, _)| !classes.contains_key(name)) {
            let nearest = nearest(&name, classes.keys().map(String::as_str)).map(str::to_owned);
            let line = position(text, at).0;
            let error = PolicyError::ClassUnknown { line, name, nearest };
            return Err(Wrong { at: Some(at), error });
        }
        mappings.insert(name, mapping);
    }
    Ok(mappings)
}

/// All keys that a policy may have.
fn keys() -> impl Iterator<Item = &'static str> {
    ["policy-version", "format", "jurisdictions", "catalogue"]
        .into_iter()
        .chain(class::KEYS)
        .chain(catalogue::KEYS)
        .chain(detector::KEYS)
        .chain(admission::KEYS)
        .chain(["site"])
        .chain(site::SITE)
        .chain(tariff::KEYS)
        .chain(SchedulingTable::KEYS)
        .chain(ProjectTable::KEYS)
}

pub(super) fn malformed(text: &str, error: &toml::de::Error) -> PolicyError {
    let (line, column) = error.span().map_or((1, 1), |span| position(text, span.start));
    let mut problem = error.message().to_owned();
    if let Some(key) =
        problem.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
        && let Some(near) = nearest(key, keys().filter(|known| *known != key))
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
    fn a_version_that_cannot_be_shown_in_a_line_is_not_adopted_but_read() {
        let of = |version: &str| {
            format!("policy-version = \"{version}\"\n[class.a]\ntier = \"permitted\"\n")
        };
        let (red, long) = (of("v\\u001b[31mred\\u0007"), of(&"v".repeat(LONGEST + 1)));

        assert_eq!(Policy::proposed(&red), Err(PolicyError::VersionWrong));
        assert_eq!(Policy::proposed(&long), Err(PolicyError::VersionWrong));
        assert!(Policy::proposed(&of(&"v".repeat(LONGEST))).is_ok());
        assert!(Policy::parse(&red).is_ok(), "an old ledger with it is replayed");
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

    #[test]
    fn a_policy_of_a_later_format_is_told_from_a_malformed_one() {
        let text = "policy-version = \"9\"\nformat = 2\n[class.a]\ntier = \"glowing\"\n";

        let error = Policy::parse(text).unwrap_err();

        assert_eq!(error, PolicyError::Newer { line: 2, format: 2 });
        let zero = Policy::parse("format = 0\n").unwrap_err();
        assert!(matches!(zero, PolicyError::Table { line: 1, .. }), "{zero}");
    }

    const PLAIN: &str = "policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\n";

    #[test]
    fn what_is_wrong_in_any_table_is_told_by_its_line() {
        let wrong = |more: &str| Policy::parse(&format!("{PLAIN}{more}")).unwrap_err().to_string();

        for (more, told) in [
            ("[detector]\nrounding-modes = 2\n", "line 4: `rounding-modes` is 3 or 4"),
            ("[class.a.detector]\nstop-every-ms = 10\n", "line 4: `stop-every-ms`"),
            (
                "[detector]\nhardst = \"ask\"\n",
                "line 5, column 1: unknown key `hardst`; did you mean `hardest`?",
            ),
            ("[class.b]\ntier = \"review\"\nreplicate = \"quorum=1\"\n", "line 6: `replicate`"),
            ("[class.b]\ntier = \"review\"\nevidence = [\"vibes\"]\n", "line 6, column 13: "),
            ("[admission]\non-hit = \"admit\"\n", "line 5: `on-hit`"),
            ("[admission]\nknown-digests = [\n\"00\"]\n", "line 6: a digest is"),
            ("[admission]\nreview-words = [\"x\"]\n", "line 5: a word has"),
            ("[approvals]\nlongest-days = 0\n", "line 5: `longest-days`"),
            (
                "[mapping.eu]\njurisdiction = \"EU\"\nedition = \"1\"\n[mapping.eu.class]\naa = \"x\"\n",
                "line 8: there is no class `aa`",
            ),
            ("[mapping.eu]\njurisdiction = \"EU\"\nedition = \"\"\n", "line 4: a mapping names"),
            ("[catalogue]\neffective = \"2024\"\n", "line 4: `effective` is not a date"),
            (
                "[tariff.x]\ncurrency = \"yuan\"\nsurcharge-micro-per-kwh = 1\nscope = \"share\"\n",
                "line 4: `currency`",
            ),
            (
                "[tariff.x]\ncurrency = \"CNY\"\nsurcharge-micro-per-kwh = 1\nscope = \"share\"\nutc-offset = \"CST\"\n",
                "line 4: `utc-offset`",
            ),
            (
                "[tariff.x]\ncurrency = \"CNY\"\nsurcharge-micro-per-kwh = 0.5\nscope = \"share\"\n",
                "line 6, column 27: ",
            ),
        ] {
            let found = wrong(more);
            assert!(found.starts_with(told), "{more:?} gives {found:?}, not {told:?}");
        }
    }

    #[test]
    fn a_class_has_the_detector_of_the_policy_but_for_what_it_says_itself() {
        let text = format!(
            "{PLAIN}[detector]\nrounding-windows = 3\nhardest = \"freeze\"\n\
             [class.b]\ntier = \"permitted\"\n[class.b.detector]\nhardest = \"ask\"\n"
        );

        let policy = Policy::parse(&text).unwrap();

        let (a, b) = (&policy.classes["a"].detector, &policy.classes["b"].detector);
        assert_eq!((a.rounding_windows, a.hardest.as_str()), (3, "freeze"));
        assert_eq!((b.rounding_windows, b.hardest.as_str()), (3, "ask"));
    }
}
