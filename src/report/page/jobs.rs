//! The jobs of a page.

use maud::{Markup, html};
use repower_model::WattHours;

use super::{known, moment, more, none, short, table, tier, unknown};
use crate::report::compliance::{Compliance, JobLine};

const COLUMNS: [&str; 10] = [
    "job",
    "name, submitter, project",
    "class, tier",
    "policy",
    "state, tasks",
    "first start, last end",
    "node s",
    "cpu s",
    "energy",
    "findings, approval",
];

/// One line for each job.
pub(super) fn jobs(report: &Compliance) -> Markup {
    let rows: Vec<Vec<Markup>> = report.jobs.lines.iter().map(row).collect();
    html! {
        h2 { "Jobs" }
        p { "Those that had not ended when the period began. Node and processor seconds are of attempts that ended in it. Energy is unknown where no meter is read." }
        @if report.jobs.total == 0 { (none("no job was there")) } @else {
            (table(&COLUMNS, &[0, 6, 7], &rows))
            (more(&report.jobs))
            @if report.jobs.is_cut() {
                p .soft { "The CSV form of this report has all of them." }
            }
        }
    }
}

fn row(one: &JobLine) -> Vec<Markup> {
    let findings = one.findings_total - one.findings.len() as u64;
    vec![
        html! { (one.job) },
        html! { span .a { (one.name) } br; (one.submitter) br; (one.project) },
        html! { (one.class) br; (tier(&one.tier)) },
        html! { (known(one.policy_version.as_deref())) br; code .h { (short(&one.policy)) } },
        html! { (one.state) br; (one.tasks) @if one.tasks == 1 { " task" } @else { " tasks" } },
        html! { (moment_or_dash(one.first_start.as_deref())) br; (moment_or_dash(one.last_end.as_deref())) },
        html! { (one.node_seconds) },
        html! { (one.cpu_seconds) },
        html! { @match one.energy_mwh {
            Some(milli) => (WattHours::from_milli(milli)),
            None => (unknown()),
        } },
        html! {
            @if one.findings.is_empty() { "-" } @else {
                @for (at, id) in one.findings.iter().enumerate() { @if at > 0 { ", " } "no. " (id) }
                @if findings > 0 { " and " (findings) " more" }
            }
            @if let Some(id) = one.approval { br; "by approval " (id) }
            @if let Some(decided) = &one.decided { br; span .a { (decided) } }
        },
    ]
}

fn moment_or_dash(at: Option<&str>) -> Markup {
    at.map_or_else(|| html! { "-" }, |at| moment(Some(at)))
}
