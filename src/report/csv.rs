//! A report as one table of text: a line for each value, so that a spreadsheet can sort and filter.

mod jobs;

use super::compliance::{Compliance, FindingLine, List};
use crate::render::json::Exposure;
use crate::render::words::tame;

/// The columns.
const HEAD: [&str; 6] = ["section", "item", "at", "field", "value", "unit"];

/// Writes a report as CSV (RFC 4180). An empty value is unknown. It has the lines that the report has: all, if that
/// is whole.
pub fn csv(report: &Compliance) -> String {
    let mut table = Table { text: String::new() };
    table.line(&HEAD);
    let ledger = &report.ledger;
    let size = ledger.size.to_string();
    for (field, value) in [
        ("origin", ledger.origin.as_str()),
        ("size", &size),
        ("root", &ledger.root),
        ("verified", if ledger.verified { "true" } else { "false" }),
        ("made-by", &ledger.made_by),
    ] {
        table.line(&["ledger", "", "", field, value, ""]);
    }
    let period = &report.period;
    for (field, value) in
        [("from", &period.from), ("to", &period.to), ("last-fact", &period.last_fact)]
    {
        table.line(&["period", "", "", field, value.as_deref().unwrap_or_default(), ""]);
    }
    for one in &report.site {
        table.line(&["site", "", "", one.name, one.value.as_deref().unwrap_or_default(), ""]);
    }
    for one in &report.policies {
        let at = one.adopted.as_deref().unwrap_or_default();
        let by = one.by.as_deref().unwrap_or_default();
        for (field, value) in [("hash", one.hash.as_str()), ("by", by)] {
            table.line(&["policy", &one.version, at, field, value, ""]);
        }
    }
    classes(&mut table, report);
    jobs::jobs(&mut table, report);
    decisions(&mut table, report);
    for one in &report.energy {
        let value = one.milliwatt_hours.map(|amount| amount.to_string()).unwrap_or_default();
        table.line(&["energy", one.grade, "", one.source, &value, "mWh"]);
    }
    for (field, value) in [
        ("claimed", Some(report.output.claimed_cpu_seconds)),
        ("sampled", report.output.sampled_cpu_seconds),
        ("replicated", report.output.replicated_cpu_seconds),
    ] {
        let value = value.map(|seconds| seconds.to_string()).unwrap_or_default();
        table.line(&["output", "", "", field, &value, "cpu-s"]);
    }
    for node in &report.coverage {
        let at = node.told.as_deref().unwrap_or_default();
        let sensors = node.sensors.as_ref().map(|all| all.join(" ")).unwrap_or_default();
        table.line(&["coverage", &node.name, at, "sensors", &sensors, ""]);
        for (sensor, why) in &node.blind {
            table.line(&["coverage", &node.name, at, &format!("no {sensor}"), why, ""]);
        }
        table.line(&["coverage", &node.name, at, "kernel", &node.kernel, ""]);
        table.line(&["coverage", &node.name, at, "agent", &node.agent, ""]);
    }
    for group in &report.fields {
        for one in &group.fields {
            let why = one.why_unknown.unwrap_or_default();
            let place = one.place.unwrap_or_default();
            let (said, value) = if place.is_empty() { ("unknown", why) } else { ("place", place) };
            table.line(&["field", group.group, "", one.name, value, said]);
        }
    }
    table.text
}

fn classes(table: &mut Table, report: &Compliance) {
    for one in &report.classes {
        let item = format!("{} ({})", one.class, one.tier);
        for (field, value, unit) in [
            ("submitted", one.submitted, "jobs"),
            ("succeeded", one.succeeded, "jobs"),
            ("failed", one.failed, "jobs"),
            ("cancelled", one.cancelled, "jobs"),
            ("attempts", one.attempts, "attempts"),
            ("cpu", one.cpu_seconds, "s"),
            ("wall", one.wall_seconds, "s"),
            ("artefacts", one.artefacts, "files"),
        ] {
            table.line(&["class", &item, "", field, &value.to_string(), unit]);
        }
    }
}

fn decisions(table: &mut Table, report: &Compliance) {
    for one in &report.refusals.by_code {
        table.line(&["refusals", &one.name, "", "count", &one.count.to_string(), "submissions"]);
    }
    for one in &report.refusals.list.lines {
        let (item, at) = (one.seq.to_string(), one.at.as_deref().unwrap_or_default());
        for (field, value) in [
            ("submitter", &one.submitter),
            ("class", &one.class),
            ("code", &one.code),
            ("text", &one.text),
            ("policy", &one.policy),
        ] {
            table.line(&["refusal", &item, at, field, value, ""]);
        }
    }
    for one in &report.reviews.lines {
        let (item, at) = (one.job.to_string(), one.at.as_deref().unwrap_or_default());
        let approved = if one.approved { "approved" } else { "denied" };
        for (field, value) in [
            ("decision", approved),
            ("by", &one.by),
            ("reason", &one.reason),
            ("policy", &one.policy),
        ] {
            table.line(&["review", &item, at, field, value, ""]);
        }
    }
    for one in &report.approvals.lines {
        let (item, at) = (one.id.to_string(), one.given.as_deref().unwrap_or_default());
        for (field, value) in [
            ("class", one.class.as_str()),
            ("project", one.project.as_deref().unwrap_or_default()),
            ("content", one.content.as_deref().unwrap_or_default()),
            ("until", one.until.as_deref().unwrap_or_default()),
            ("ended", one.ended.as_deref().unwrap_or_default()),
            ("by", &one.by),
            ("reason", &one.reason),
            ("jobs", &one.jobs.to_string()),
            ("policy", &one.policy),
            ("ended-by", one.ended_by.as_deref().unwrap_or_default()),
            ("ended-policy", one.ended_policy.as_deref().unwrap_or_default()),
        ] {
            table.line(&["approval", &item, at, field, value, ""]);
        }
    }
    for one in &report.findings.lines {
        let (item, at) = (one.id.to_string(), one.first_seen.as_deref().unwrap_or_default());
        for (field, value) in [
            ("class", one.class.clone()),
            ("job", one.job.map(|job| job.to_string()).unwrap_or_default()),
            ("node", one.node.clone().unwrap_or_default()),
            ("source", one.source.clone()),
            ("rules", one.rules.join(" ")),
            ("response", one.response.clone()),
            ("policy", one.policy.clone()),
            ("last-seen", one.last_seen.clone().unwrap_or_default()),
            ("state", one.state.clone()),
            ("decided", one.decided.clone().unwrap_or_default()),
            ("evidence", one.evidence.join(" ")),
            ("site", one.site.clone().unwrap_or_default()),
            ("meter", one.meter.clone().unwrap_or_default()),
        ] {
            table.line(&["finding", &item, at, field, &value, ""]);
        }
        judged(table, &item, one);
        exposure(table, &item, at, &one.exposure);
    }
    accounts(table, report);
    totals(table, "refusal", &report.refusals.list);
    totals(table, "review", &report.reviews);
    totals(table, "approval", &report.approvals);
    totals(table, "finding", &report.findings);
}

/// What each rule has seen, and what people have decided: a line each, with all of it.
fn judged(table: &mut Table, item: &str, finding: &FindingLine) {
    for one in &finding.verdicts {
        let at = one.first_seen.as_deref().unwrap_or_default();
        let last = one.last_seen.as_deref().unwrap_or_default();
        let value = format!(
            "{} version {} tier {} mechanism {} times {} last-seen {last}",
            one.rule, one.version, one.tier, one.mechanism, one.times
        );
        table.line(&["finding", item, at, "verdict", &value, ""]);
    }
    for one in &finding.decisions {
        let at = one.at.as_deref().unwrap_or_default();
        let value = format!("{} by {}: {}", one.state, one.by, one.reason);
        table.line(&["finding", item, at, "decision", &value, ""]);
        table.line(&["finding", item, at, "decision-policy", &one.policy, ""]);
    }
}

fn number(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Amounts are millionths of the currency's unit, so that nothing is lost; what is unknown is empty.
fn exposure(table: &mut Table, item: &str, at: &str, one: &Exposure) {
    let unit = one.currency.as_ref().map(|code| format!("millionths of {code}"));
    let unit = unit.unwrap_or_default();
    let stated = one.stated.as_ref();
    for (field, value, unit) in [
        ("exposure", number(one.amount_micro), unit.as_str()),
        ("exposure-energy", number(one.energy_mwh), "mWh"),
        ("exposure-formula", one.formula.clone().unwrap_or_default(), ""),
        ("exposure-unknown", one.unknown.clone().unwrap_or_default(), ""),
        ("stated", number(stated.map(|stated| stated.amount_micro)), &unit),
        ("stated-energy", number(stated.map(|stated| stated.energy_mwh)), "mWh"),
        ("stated-basis", stated.map(|stated| stated.basis.clone()).unwrap_or_default(), ""),
    ] {
        table.line(&["finding", item, at, field, &value, unit]);
    }
}

fn accounts(table: &mut Table, report: &Compliance) {
    for one in &report.accounts {
        let site = one.site.as_deref().unwrap_or("unknown site");
        let item = format!("{site}, {}", one.meter.as_deref().unwrap_or("unknown account"));
        let at = one.first_seen.as_deref().unwrap_or_default();
        let unit = one.currency.as_ref().map(|code| format!("millionths of {code}"));
        let unit = unit.unwrap_or_default();
        for (field, value, unit) in [
            ("findings", one.findings.to_string(), "findings"),
            ("undecided", one.undecided.to_string(), "findings"),
            ("confirmed", one.confirmed.to_string(), "findings"),
            ("last-seen", one.last_seen.clone().unwrap_or_default(), ""),
            ("charged", number(one.charged_ms), "ms"),
            ("exposure", number(one.amount_micro), &unit),
            ("exposure-energy", number(one.energy_mwh), "mWh"),
            ("exposure-unknown", one.unknown.clone().unwrap_or_default(), ""),
            ("stated", number(one.stated_amount_micro), &unit),
            ("stated-energy", number(one.stated_energy_mwh), "mWh"),
        ] {
            table.line(&["account", &item, at, field, &value, unit]);
        }
    }
}

fn totals<T>(table: &mut Table, section: &str, list: &List<T>) {
    table.line(&[section, "", "", "total", &list.total.to_string(), ""]);
}

struct Table {
    text: String,
}

impl Table {
    fn line(&mut self, cells: &[&str; 6]) {
        let cells = cells.map(cell);
        self.text.push_str(&cells.join(","));
        self.text.push_str("\r\n");
    }
}

/// A cell in quotes where it needs them. What a spreadsheet would take for a formula gets a quote
/// before it, and what is not seen is shown by its number: names of jobs and reasons are whatever
/// people have typed.
fn cell(text: &str) -> String {
    let text = tame(text);
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(cell("=cmd|'/c calc'!A0"), "'=cmd|'/c calc'!A0");
        assert_eq!(cell("two\nlines\u{202e}"), "two\\nlines\\u{202e}");
    }
}
