//! What reports of this kind are asked for, group by group, and where it stands here.
//!
//! The groups are those that regulators, grid companies and tenants ask for together. A field that no fact of the
//! ledger says is unknown, and says why; that it is named at all is so that nobody takes its absence for zero.

use serde::Serialize;

/// Why nothing that a meter would say is known.
pub(super) const NO_METER: &str = "no meter is read";
/// Why nothing is known of the validation of results.
pub(super) const NOT_TWICE: &str = "nothing is done twice yet";
/// Why a text of the site is not known.
pub(super) const NOT_SAID: &str = "`[site]` of the policy leaves it out";

const NO_INVENTORY: &str = "nodes tell what they can do, not which pieces they are made of";
const NO_PRICE: &str = "prices by the hour are not read; the policy has surcharges only";
const NO_HEAT: &str = "no heat meter is read";
const NO_SHED: &str = "no signal of the grid is obeyed yet";
const NO_IDENTITY: &str =
    "submitters and projects are names: whose they are, is for the site to say";
const ELSEWHERE: &str = "it is in the site's own books, not in the ledger";

/// Fields that are asked for together.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// What they are about.
    pub group: &'static str,
    /// Each of them.
    pub fields: Vec<Field>,
}

/// A field that is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Field {
    /// What is asked for.
    pub name: &'static str,
    /// Where it stands, by the keys of the JSON form; null: nowhere, it is unknown.
    pub place: Option<&'static str>,
    /// Why it is unknown; null: it is not, or its place says why.
    pub why_unknown: Option<&'static str>,
}

/// A field, and where it stands or why it is unknown.
type Row = (&'static str, Result<&'static str, &'static str>);

const SITE: &[Row] = &[
    ("legal entity", Ok("site")),
    ("address", Ok("site")),
    ("account and meter point", Ok("site, accounts")),
    ("transformer", Ok("site")),
    ("tariff class", Ok("site")),
    ("installed IT power", Ok("site")),
    ("in operation since", Ok("site")),
    ("racks", Ok("site")),
];

const ASSETS: &[Row] = &[
    ("node, kernel, instruction set, agent", Ok("coverage")),
    ("serial number or UUID of devices", Err(NO_INVENTORY)),
    ("kind and class of devices", Err(NO_INVENTORY)),
    ("provenance and date of acquisition", Err(NO_INVENTORY)),
    ("digest of firmware", Err(NO_INVENTORY)),
    ("certificate of qualification", Err("no device is qualified yet")),
];

const JOBS: &[Row] = &[
    ("number, name, submitter, project", Ok("jobs")),
    ("legal identity of the tenant", Err(NO_IDENTITY)),
    ("declared class, and its entry in the catalogue", Ok("jobs, classes.entries")),
    ("digest of the policy", Ok("jobs.policy")),
    ("digest of the image", Ok("jobs.image")),
    ("digest of command, script and inputs", Ok("jobs.content")),
    ("start and end", Ok("jobs.first_start, jobs.last_end")),
    ("how it ended", Ok("jobs.state")),
    ("attempts and nodes", Ok("jobs.attempts, jobs.nodes")),
];

const ENERGY: &[Row] = &[
    ("energy by grade of the reading", Ok("energy")),
    ("by window of 15 minutes: meter, agents, jobs, idle, overhead", Err(NO_METER)),
    ("residual of the meter", Err(NO_METER)),
    ("uncertainty and calibration", Err(NO_METER)),
    ("energy of each job", Ok("jobs.energy_mwh")),
    ("PUE, WUE, ERF, REF", Err(NO_METER)),
];

const TARIFF: &[Row] = &[
    ("surcharge in force", Ok("policies.surcharge")),
    ("band and price", Err(NO_PRICE)),
    ("certificates of green power, contracts of purchase", Err(ELSEWHERE)),
    ("events of curtailment", Err(NO_SHED)),
    ("carbon factor, its source and date", Err("no carbon signal is read")),
];

const OUTPUT: &[Row] = &[
    ("claimed processor seconds", Ok("output.claimed_cpu_seconds")),
    ("files brought back, their digests in the ledger", Ok("jobs.artefacts")),
    ("validation by sampling or replication", Err(NOT_TWICE)),
    ("group of redundancy", Err(NOT_TWICE)),
];

const DETECTION: &[Row] = &[
    ("rule, version, tier, mechanism", Ok("findings.verdicts")),
    ("first and last sight", Ok("findings.verdicts")),
    ("digest of the evidence", Ok("findings.evidence")),
    ("action", Ok("findings.response")),
    ("reviewer and disposition", Ok("findings.decisions")),
    ("exposure in money", Ok("findings.exposure, accounts")),
    ("what could be seen on which node", Ok("coverage")),
];

const HEAT: &[Row] = &[
    ("heat given away", Err(NO_HEAT)),
    ("temperatures of supply and return", Err(NO_HEAT)),
    ("recipient", Err(ELSEWHERE)),
];

const FLEXIBILITY: &[Row] = &[
    ("load that can be shed, by class", Err(NO_SHED)),
    ("notice that it takes", Err(NO_SHED)),
    ("events obeyed", Err(NO_SHED)),
];

const INTEGRITY: &[Row] = &[
    ("number of facts, root, signed head", Ok("ledger")),
    ("key of the signer", Ok("ledger.key")),
    ("whether the facts give the root", Ok("ledger.verified")),
    ("proof of one fact", Err("`repower ledger prove` gives it")),
];

const MORE: &[Row] = &[
    (
        "water, floor area, refrigerants and more of Annex I of Regulation (EU) 2024/1364",
        Err(ELSEWHERE),
    ),
    ("expected demand of the next years, backup generation", Err(ELSEWHERE)),
];

/// All groups, in the order of the page.
pub(super) fn groups() -> Vec<Group> {
    let all = [
        ("site", SITE),
        ("assets", ASSETS),
        ("jobs", JOBS),
        ("energy", ENERGY),
        ("tariff", TARIFF),
        ("output", OUTPUT),
        ("detection", DETECTION),
        ("heat", HEAT),
        ("flexibility", FLEXIBILITY),
        ("integrity", INTEGRITY),
        ("more", MORE),
    ];
    let field = |&(name, known): &Row| Field { name, place: known.ok(), why_unknown: known.err() };
    all.map(|(group, rows)| Group { group, fields: rows.iter().map(field).collect() }).into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::testing::example;

    /// Whether a report in JSON has this key, through lists of lines.
    fn has(value: &Value, keys: &[&str]) -> bool {
        let Some((key, rest)) = keys.split_first() else { return true };
        let inside = |value: &Value| value.get(*key).is_some_and(|value| has(value, rest));
        match value {
            Value::Array(all) => all.iter().any(|value| has(value, keys)),
            Value::Object(all) => {
                inside(value) || all.get("lines").is_some_and(|lines| has(lines, keys))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    #[test]
    fn what_is_said_to_stand_somewhere_stands_there_and_what_does_not_says_why() {
        let report = serde_json::to_value(example()).unwrap();

        for field in groups().iter().flat_map(|group| &group.fields) {
            assert!(field.place.is_some() != field.why_unknown.is_some(), "{field:?}");
            for place in field.place.into_iter().flat_map(|place| place.split(", ")) {
                let keys: Vec<&str> = place.split('.').collect();
                assert!(has(&report, &keys), "there is no {place}: {field:?}");
            }
        }
    }
}
