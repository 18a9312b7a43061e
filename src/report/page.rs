//! A report as a page for people: one file without scripts or links to elsewhere, fit for a screen, a
//! phone and paper.

mod fields;
mod findings;
mod jobs;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::compliance::{Compliance, List};
use crate::render::words;

const STYLE: &str = include_str!("page.css");

/// Writes a report as a page of HTML.
pub fn page(report: &Compliance) -> String {
    let title = format!("Compliance report of {}", report.ledger.origin);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(report.ledger.made_by);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (period(report)) }
                    p .soft {
                        "Made by " (report.ledger.made_by) " from the " (report.ledger.size)
                        " facts of the ledger. What the ledger does not say is said to be unknown."
                    }
                }
                (sum(report))
                (site(report))
                (policies(report))
                (classes(report))
                (jobs::jobs(report))
                (refusals(report))
                (reviews(report))
                (approvals(report))
                (findings::findings(report))
                (energy(report))
                (coverage(report))
                (fields::fields(report))
                (verify(report))
            }
        }
    };
    seen(&page.into_string())
}

/// A page on which all there is can be seen: names and reasons are whatever people have typed, and some
/// characters turn the direction of writing or are not shown.
fn seen(page: &str) -> String {
    let lines: Vec<String> = page.split('\n').map(words::tame).collect();
    lines.join("\n")
}

fn period(report: &Compliance) -> Markup {
    let period = &report.period;
    html! {
        "From " b { (period.from.as_deref().unwrap_or("the first fact")) }
        " up to " b { (period.to.as_deref().unwrap_or("the last fact")) }
        @if let (None, Some(last)) = (&period.to, &period.last_fact) { ", which is of " (last) }
        ". All times are UTC."
    }
}

fn sum(report: &Compliance) -> Markup {
    let submitted: u64 = report.classes.iter().map(|line| line.submitted).sum();
    html! {
        ul .sum {
            li { b { (submitted) } "jobs let in" }
            li { b { (report.refusals.list.total) } "submissions refused" }
            li { b { (report.reviews.total) } "decisions on single jobs" }
            li { b { (report.approvals.total) } "approvals of a kind of work" }
            li { b { (report.findings.total) } "findings, " (report.undecided) " undecided" }
        }
    }
}

fn unknown() -> Markup {
    html! { span .unknown { "unknown" } }
}

fn known(value: Option<&str>) -> Markup {
    value.map_or_else(unknown, |value| html! { (value) })
}

/// A moment as a table shows it, to the second.
fn moment(at: Option<&str>) -> Markup {
    let Some((day, time)) = at.and_then(|at| at.split_once('T')) else { return known(at) };
    let time = time.split('.').next().unwrap_or(time);
    html! { span .t { (day) } " " span .t { (time) } }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// A table with the names of its columns on each cell, for screens too narrow for a table.
fn table(columns: &[&str], numbers: &[usize], rows: &[Vec<Markup>]) -> Markup {
    let class = |at: usize| if numbers.contains(&at) { "n" } else { "" };
    html! {
        div .wide {
            table {
                thead { tr { @for (at, name) in columns.iter().enumerate() {
                    th scope="col" class=(class(at)) { (name) }
                } } }
                tbody { @for row in rows { tr { @for (at, cell) in row.iter().enumerate() {
                    td class=(class(at)) data-name=(columns[at]) { (cell) }
                } } } }
            }
        }
    }
}

fn more<T>(list: &List<T>) -> Markup {
    html! {
        @if list.is_cut() {
            p .soft { "The latest " (list.lines.len()) " of " (list.total) " are shown." }
        }
    }
}

fn none(what: &str) -> Markup {
    html! { p .soft { "None: " (what) "." } }
}

fn site(report: &Compliance) -> Markup {
    html! {
        h2 { "Site" }
        p .soft { "As the policy in force says it." }
        dl { @for one in &report.site {
            dt { (one.name.replace('-', " ")) }
            dd { (known(one.value.as_deref())) }
        } }
    }
}

fn policies(report: &Compliance) -> Markup {
    let rows = report.policies.iter().map(|one| {
        vec![
            html! { (one.version) },
            moment(one.adopted.as_deref()),
            html! { (one.by.as_deref().unwrap_or("the scheduler, at its start")) },
            html! { @for title in &one.catalogues { (title) br; }
            @if let Some(surcharge) = &one.surcharge { (surcharge) } },
            html! { code { (one.hash) } },
        ]
    });
    html! {
        h2 { "Policies in force" }
        (table(&["version", "since", "by", "catalogues, surcharge", "SHA-256"], &[], &rows.collect::<Vec<_>>()))
    }
}

fn tier(tier: &str) -> Markup {
    let class = match tier {
        "encouraged" | "permitted" => "good",
        "review" => "look",
        _ => "bad",
    };
    html! { span class={ "t " (class) } { (tier) } }
}

fn classes(report: &Compliance) -> Markup {
    let rows = report.classes.iter().map(|one| {
        let shown = if one.evidence.is_empty() { "-".to_owned() } else { one.evidence.join(", ") };
        vec![
            html! { (one.class) @for entry in &one.entries { br; span .soft { (entry) } } },
            tier(&one.tier),
            html! { (one.submitted) },
            html! { (one.succeeded) },
            html! { (one.failed) },
            html! { (one.cancelled) },
            html! { (one.cpu_seconds) },
            html! { (shown) },
            html! { (one.artefacts) },
        ]
    });
    let columns = [
        "class",
        "tier",
        "let in",
        "succeeded",
        "failed",
        "cancelled",
        "cpu s",
        "evidence asked for",
        "files kept",
    ];
    html! {
        h2 { "Jobs by class and tier" }
        @if report.classes.is_empty() { (none("no job was let in, ran or ended")) } @else {
            (table(&columns, &[2, 3, 4, 5, 6, 8], &rows.collect::<Vec<_>>()))
            p .soft { "The tier is that of the policy by which a job was let in. Jobs that ended may have been let in before the period." }
        }
        p {
            "Useful output, in processor seconds; the three are not added up: claimed by jobs that succeeded "
            b { (report.output.claimed_cpu_seconds) } ", done again in samples "
            (report.output.sampled_cpu_seconds.map_or_else(unknown, |seconds| html! { (seconds) }))
            ", done by several that agree "
            (report.output.replicated_cpu_seconds.map_or_else(unknown, |seconds| html! { (seconds) })) "."
        }
    }
}

fn refusals(report: &Compliance) -> Markup {
    let rows = report.refusals.list.lines.iter().map(|one| {
        vec![
            html! { (one.seq) },
            moment(one.at.as_deref()),
            html! { (one.submitter) },
            html! { @if one.class.is_empty() { span .unknown { "none declared" } } @else { (one.class) } },
            html! { code { (one.code) } br; span .a { (one.text) } },
            html! { code .h { (short(&one.policy)) } },
        ]
    });
    html! {
        h2 { "Refused submissions" }
        @if report.refusals.list.total == 0 { (none("the policy refused nothing")) } @else {
            p { @for (at, one) in report.refusals.by_code.iter().enumerate() {
                @if at > 0 { ", " } code { (one.name) } " " (one.count)
            } }
            (table(&["fact", "at", "submitter", "class", "why", "policy"], &[0], &rows.collect::<Vec<_>>()))
            (more(&report.refusals.list))
        }
    }
}

fn reviews(report: &Compliance) -> Markup {
    let rows = report.reviews.lines.iter().map(|one| {
        let (class, word) = if one.approved { ("good", "approved") } else { ("bad", "denied") };
        vec![
            html! { (one.job) },
            moment(one.at.as_deref()),
            html! { span class=(class) { (word) } },
            html! { (one.by) },
            html! { span .a { (one.reason) } },
            html! { code .h { (short(&one.policy)) } },
        ]
    });
    html! {
        h2 { "Decisions on single jobs" }
        @if report.reviews.total == 0 { (none("no job was decided on alone")) } @else {
            (table(&["job", "at", "decision", "by", "reason", "policy"], &[0], &rows.collect::<Vec<_>>()))
            (more(&report.reviews))
        }
    }
}

fn approvals(report: &Compliance) -> Markup {
    let rows = report.approvals.lines.iter().map(|one| {
        vec![
            html! { (one.id) },
            html! { (one.class) @if let Some(project) = &one.project { ", project " (project) }
                @if let Some(content) = &one.content { br; "only " code .h { (short(content)) } } },
            moment(one.given.as_deref()),
            moment(one.until.as_deref()),
            html! { @match one.ended.as_deref() { Some(ended) => (moment(Some(ended))), None => "-" }
                @if let Some(by) = &one.ended_by { br; "by " (by) } },
            html! { (one.by) ": " span .a { (one.reason) } },
            html! { (one.jobs) },
            html! { code .h { (short(&one.policy)) } @if let Some(policy) = &one.ended_policy { br; "ended by " code .h { (short(policy)) } } },
        ]
    });
    html! {
        h2 { "Approvals of a kind of work" }
        @if report.approvals.total == 0 { (none("no approval was good in the period")) } @else {
            (table(&["no.", "for", "given", "until", "ended", "by, and why", "jobs", "policy"], &[0, 6], &rows.collect::<Vec<_>>()))
            (more(&report.approvals))
        }
    }
}

fn energy(report: &Compliance) -> Markup {
    let rows = report.energy.iter().map(|one| {
        let amount = one.milliwatt_hours.map(|amount| html! { (amount) });
        vec![html! { (one.grade) }, html! { (one.source) }, amount.unwrap_or_else(unknown)]
    });
    html! {
        h2 { "Energy by grade of the reading" }
        (table(&["grade", "source", "mWh"], &[2], &rows.collect::<Vec<_>>()))
    }
}

fn coverage(report: &Compliance) -> Markup {
    let rows = report.coverage.iter().map(|one| {
        let sensors = one.sensors.as_ref().map(|all| match all.as_slice() {
            [] => "none".to_owned(),
            all => all.join(", "),
        });
        vec![
            html! { (one.name) },
            moment(one.told.as_deref()),
            html! { (one.agent) },
            html! { (one.kernel) ", " (one.isa) },
            html! {
                (known(sensors.as_deref()))
                @for (sensor, why) in &one.blind { br; "not " (sensor) ": " (why) }
            },
        ]
    });
    html! {
        h2 { "What the detector could see" }
        @if report.coverage.is_empty() { (none("no node has told what it is")) } @else {
            (table(&["node", "told at", "agent", "machine", "sensors"], &[], &rows.collect::<Vec<_>>()))
        }
        p .soft { "What no sensor sees stands in docs/compliance.md of the release." }
    }
}

fn verify(report: &Compliance) -> Markup {
    let ledger = &report.ledger;
    html! {
        h2 { "How to check this report" }
        p {
            @if ledger.verified {
                span .good { "Verified: " } "the facts that this report was made from give the root of the head below, and the head is signed with the key below."
            } @else {
                span .bad { "Not verified: " } "the facts that were read do not give the root of a head that is signed with the key below."
            }
        }
        p { "It proves that nothing was changed since the head was signed. Whoever holds the signing key can rewrite all of it, unless somebody else has kept an earlier head: compare with yours." }
        pre { (ledger.head) }
        p { "Key: " code { (ledger.key) } }
        pre {
            "repower ledger verify --against HEAD --key KEY\n"
            "repower report compliance"
            @if let Some(from) = &report.period.from { " --from " (from) }
            @if let Some(to) = &report.period.to { " --to " (to) }
            " -o html"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_turns_the_writing_is_shown_by_its_number() {
        let reason = html! { td { "fine\u{202e}<b>\u{1b}[31m" } "\n" td { "名" } }.into_string();

        assert_eq!(seen(&reason), "<td>fine\\u{202e}&lt;b&gt;\u{fffd}[31m</td>\n<td>名</td>");
    }
}
