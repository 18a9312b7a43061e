//! All that is wrong with a policy, not only the first thing.
//!
//! A reader stops at the first error. So what it is about is struck out of the table and the rest is read again, until
//! nothing is wrong any more; errors that are only there because something was struck out are left out.

use toml::de::{DeTable, DeValue};

use super::file::{Wrong, check_version, malformed, read};
use super::{Policy, PolicyError};

/// The most that are told: who has more reads them in parts.
const MOST: usize = 100;

/// Something that was struck out.
struct Struck {
    /// The keys that lead to it.
    path: Vec<String>,
    /// Whether the policy has no such key, so that nothing else can miss it.
    is_unknown: bool,
}

/// What is wrong with a text, by line; empty: nothing is.
///
/// All places where it is no TOML, or else: all keys that a policy does not have, all values that they cannot have, and
/// of each table the first thing that does not go together. Of a list, its first wrong item.
pub(super) fn faults(text: &str) -> Vec<PolicyError> {
    let Err(first) = Policy::proposed(text) else { return Vec::new() };
    if matches!(first, PolicyError::Newer { .. }) {
        return vec![first];
    }
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return errors.iter().take(MOST).map(|error| malformed(text, error)).collect();
    }
    let (mut found, mut struck) = (Vec::new(), Vec::new());
    while found.len() < MOST {
        let wrong = match read(text, table.clone()) {
            Ok(policy) => {
                found.extend(check_version(&policy.version).err());
                break;
            }
            Err(wrong) => wrong,
        };
        let path = wrong.at.and_then(|at| strike(table.get_mut(), at));
        if !follows(&wrong, path.as_deref(), &struck) {
            found.push(wrong.error.clone());
        }
        let Some(path) = path else { break };
        let is_unknown = message(&wrong.error).is_some_and(|text| {
            ["unknown key ", "unknown field "].iter().any(|one| text.starts_with(one))
        });
        struck.push(Struck { path, is_unknown });
    }
    let is_named = table.get_ref().contains_key("policy-version");
    let was_named = struck.iter().any(|one| one.path == ["policy-version"]);
    if !is_named && !was_named && !found.contains(&PolicyError::VersionMissing) {
        found.push(PolicyError::VersionMissing);
    }
    if found.is_empty() {
        found.push(first);
    }
    found.sort_by_key(PolicyError::line);
    found
}

fn message(error: &PolicyError) -> Option<&str> {
    match error {
        PolicyError::Malformed { problem, .. } => Some(problem),
        PolicyError::Newer { .. }
        | PolicyError::ClassName { .. }
        | PolicyError::ClassUnknown { .. }
        | PolicyError::EntryMissing { .. }
        | PolicyError::NothingRuns
        | PolicyError::Table { .. }
        | PolicyError::VersionMissing
        | PolicyError::VersionWrong => None,
    }
}

/// Strikes out what stands at a byte of the text, the smallest entry; returns its path.
fn strike(table: &mut DeTable<'_>, at: usize) -> Option<Vec<String>> {
    let mut here = None;
    for (key, value) in table.iter_mut() {
        let (named, span) = (key.span().contains(&at), value.span());
        let holds = match value.get_mut() {
            DeValue::Table(inside) => {
                if let Some(mut path) = strike(inside, at) {
                    path.insert(0, key.get_ref().to_string());
                    return Some(path);
                }
                // Entries of a table need not stand within its own bytes.
                span.start == at
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => span.contains(&at),
        };
        if named || holds {
            here = Some(key.clone());
        }
    }
    let key = here?;
    table.remove(&key);
    Some(vec![key.into_inner().into_owned()])
}

/// Whether an error is only there because something else was struck out.
fn follows(wrong: &Wrong, path: Option<&[String]>, struck: &[Struck]) -> bool {
    let gone = |path: &[&str]| struck.iter().any(|one| one.path == path);
    match &wrong.error {
        PolicyError::NothingRuns => struck
            .iter()
            .any(|one| one.path.first().is_some_and(|key| key == "class") && !one.is_unknown),
        PolicyError::ClassUnknown { name, .. } => gone(&["class", name]),
        PolicyError::EntryMissing { name, .. } => gone(&["class", name, "entry"]),
        PolicyError::VersionMissing => gone(&["policy-version"]),
        // Of a table as a whole of which something is missing now.
        PolicyError::Malformed { .. } | PolicyError::Table { .. } => path.is_some_and(|path| {
            let is_inside = |one: &&Struck| {
                one.path.len() > path.len() && one.path.starts_with(path) && !one.is_unknown
            };
            struck.iter().any(|one| is_inside(&one))
        }),
        PolicyError::Newer { .. } | PolicyError::ClassName { .. } | PolicyError::VersionWrong => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        Policy::faults(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_that_is_wrong_with_a_policy_is_told_by_line() {
        let text = "\
            policy-version = \"1\"\n\
            jurisdiction = [\"X\"]\n\
            [class.a]\n\
            tier = \"glowing\"\n\
            entri = \"x\"\n\
            [class.B]\n\
            tier = \"permitted\"\n\
            [class.c]\n\
            tier = \"permitted\"\n\
            replicate = \"quorum=1\"\n\
            [class.d]\n\
            tier = \"prohibited\"\n\
            [detector]\n\
            hardst = \"ask\"\n\
            rounding-modes = 2\n\
            [admission]\n\
            on-hit = \"admit\"\n\
            known-digests = [\"00\"]\n\
            [mapping.eu]\n\
            jurisdiction = \"EU\"\n\
            edition = \"1\"\n\
            class = { a = \"x\", zz = \"y\" }\n\
            [scheduling]\n\
            preempt-from = \"x\"\n\
            preempt-below = 1\n";

        let told = told(text);

        let lines = |number: usize| {
            let start = [format!("line {number}, "), format!("line {number}: ")];
            told.iter().filter(|one| start.iter().any(|start| one.starts_with(start))).count()
        };
        for number in [2, 4, 5, 6, 10, 11, 13, 14, 17, 18, 22, 24] {
            assert_eq!(lines(number), 1, "line {number}: {told:#?}");
        }
        assert_eq!(told.len(), 12, "nothing that only follows: {told:#?}");
    }

    #[test]
    fn of_a_text_that_is_no_toml_all_places_are_told() {
        let told = told("policy-version = \n[class.a]\ntier = \"permitted\nabout = \"x\"\n");

        assert!(told.len() >= 2, "{told:#?}");
        assert!(told[0].starts_with("line 1, ") && told[1].starts_with("line 3, "), "{told:#?}");
    }

    #[test]
    fn what_is_right_has_no_faults_and_what_is_wrong_as_a_whole_has_one() {
        assert_eq!(told(crate::policy::DEFAULT), [] as [&str; 0]);
        assert_eq!(told("format = 7\nnonsense = 1\n").len(), 1);
        assert_eq!(
            told("[class.a]\ntier = \"permitted\"\n"),
            ["`policy-version` is missing or empty"]
        );
        assert_eq!(told("policy-version = \"1\"\n"), ["the policy lets no class run"]);
        assert_eq!(told("").len(), 2, "no version and no class");
    }
}
