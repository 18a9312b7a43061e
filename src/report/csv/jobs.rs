//! The jobs of a table, a line for each value.

use super::{Table, number, totals};
use crate::report::compliance::{Compliance, JobLine};

/// All jobs of a report.
pub(super) fn jobs(table: &mut Table, report: &Compliance) {
    for one in &report.jobs.lines {
        job(table, one);
    }
    totals(table, "job", &report.jobs);
}

fn job(table: &mut Table, one: &JobLine) {
    let item = one.job.to_string();
    let at = one.submitted.as_deref().unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let findings: Vec<String> = one.findings.iter().map(u64::to_string).collect();
    let nodes = one.nodes.join(" ");
    for (field, value, unit) in [
        ("name", one.name.clone(), ""),
        ("submitter", one.submitter.clone(), ""),
        ("project", one.project.clone(), ""),
        ("class", one.class.clone(), ""),
        ("tier", one.tier.clone(), ""),
        ("policy", one.policy.clone(), ""),
        ("policy-version", text(&one.policy_version), ""),
        ("state", one.state.clone(), ""),
        ("tasks", one.tasks.to_string(), "tasks"),
        ("attempts", one.attempts.to_string(), "attempts"),
        ("first-start", text(&one.first_start), ""),
        ("last-end", text(&one.last_end), ""),
        ("node-time", one.node_seconds.to_string(), "s"),
        ("cpu", one.cpu_seconds.to_string(), "s"),
        ("energy", number(one.energy_mwh), "mWh"),
        ("energy-unknown", one.why_unknown.unwrap_or_default().to_owned(), ""),
        ("nodes", if one.nodes_cut { format!("{nodes} and more") } else { nodes }, ""),
        ("image", text(&one.image), ""),
        ("content", text(&one.content), ""),
        ("artefacts", one.artefacts.to_string(), "files"),
        ("findings", findings.join(" "), ""),
        ("findings-total", one.findings_total.to_string(), "findings"),
        ("approval", number(one.approval), ""),
        ("decided", text(&one.decided), ""),
    ] {
        table.line(&["job", &item, at, field, &value, unit]);
    }
}
