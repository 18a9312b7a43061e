//! The findings of a page.

use maud::{Markup, html};
use repower_core::policy::money;
use repower_model::{Span, WattHours};

use super::{known, moment, more, none, short, table, unknown};
use crate::render::json::Exposure;
use crate::report::compliance::{Compliance, FindingLine};

/// Findings, what they may cost, and the same by account.
pub(super) fn findings(report: &Compliance) -> Markup {
    let rows = report.findings.lines.iter().map(|one| {
        vec![
            html! { (one.id) },
            html! { @match one.job { Some(job) => { "job " (job) }, None => "-" } br; (one.class)
            @if let Some(node) = &one.node { br; "on " (node) } },
            html! { @for rule in &one.verdicts {
                (code(&rule.rule)) br;
                span .soft { "version " (rule.version) ", tier " (rule.tier) ", " (rule.mechanism) } br;
            } },
            html! { (moment(one.first_seen.as_deref())) br; (moment(one.last_seen.as_deref())) },
            html! {
                (one.state) ", " (one.response)
                @for decision in &one.decisions {
                    br; span .a { (decision.state) " by " (decision.by) ": " (decision.reason) }
                    " " span .soft { "by policy " code .h { (short(&decision.policy)) } }
                }
            },
            exposure(&one.exposure),
            html! { @for digest in &one.evidence { code .h { (short(digest)) } br; } },
            html! { code .h { (short(&one.policy)) } },
        ]
    });
    let columns = [
        "no.",
        "job",
        "rules",
        "first and last seen",
        "state, what was done",
        "exposure",
        "evidence",
        "policy",
    ];
    html! {
        h2 { "Findings" }
        p { "A finding is a reason to look, not a conviction. Its exposure is what it costs if it is true: the surcharge of the policy's tariff on the energy that the rule charges for. Where no meter is read the amount is unknown; what operators declare that their nodes draw gives an upper figure for these nodes beside it." }
        @if report.findings.total == 0 { (none("no finding was opened, seen again or decided; see the coverage for what could be seen")) } @else {
            (table(&columns, &[0], &rows.collect::<Vec<_>>()))
            (more(&report.findings))
            (accounts(report))
            (reckoned(report))
        }
    }
}

/// The code of a rule, broken at its dots and hyphens only.
fn code(rule: &str) -> Markup {
    html! { code .r { @for (at, part) in rule.split('.').enumerate() {
        @if at > 0 { "." wbr; }
        (part)
    } } }
}

fn amount(micro: u64, currency: Option<&str>) -> Markup {
    html! { span .t { (money(micro)) " " (currency.unwrap_or_default()) } }
}

fn exposure(one: &Exposure) -> Markup {
    let currency = one.currency.as_deref();
    html! {
        @match one.amount_micro { Some(micro) => (amount(micro, currency)), None => (unknown()) }
        @if let Some(why) = &one.unknown { ": " (why) }
        @if let Some(stated) = &one.stated {
            br; "at most " b { (amount(stated.amount_micro, currency)) } " as declared"
        }
    }
}

fn accounts(report: &Compliance) -> Markup {
    let rows = report.accounts.iter().map(|one| {
        let currency = one.currency.as_deref();
        let energy = |amount: Option<u64>| {
            amount.map(|milli| html! { (WattHours::from_milli(milli)) })
        };
        vec![
            html! { (known(one.site.as_deref())) br; (known(one.meter.as_deref())) },
            html! { (one.findings) ": " (one.confirmed) " confirmed, " (one.undecided) " undecided" },
            html! { (moment(one.first_seen.as_deref())) br; (moment(one.last_seen.as_deref())) },
            html! { @match one.charged_ms { Some(ms) => (Span::from_millis(ms)), None => (unknown()) } },
            html! {
                @match one.amount_micro { Some(micro) => (amount(micro, currency)), None => (unknown()) }
                @if let Some(why) = &one.unknown { ": " (why) }
            },
            html! {
                @match one.stated_amount_micro {
                    Some(micro) => { "at most " b { (amount(micro, currency)) } }
                    None => (unknown())
                }
                @if let Some(energy) = energy(one.stated_energy_mwh) { br; "for " (energy) }
            },
        ]
    });
    let columns = [
        "site, account",
        "findings",
        "first and last seen",
        "charged for",
        "exposure",
        "as declared",
    ];
    html! {
        @if !report.accounts.is_empty() {
            h3 { "By site and metering account" }
            p { "Findings on one account are charged for the same energy, so their exposures do not add up: time that several of them cover counts once here. Dismissed ones are left out of the times and amounts." }
            (table(&columns, &[], &rows.collect::<Vec<_>>()))
        }
    }
}

/// How the amounts were reckoned, so that a reader can do it again.
fn reckoned(report: &Compliance) -> Markup {
    let with = |one: &&FindingLine| one.exposure.formula.is_some();
    let all: Vec<_> = report.findings.lines.iter().filter(with).collect();
    html! {
        @if !all.is_empty() {
            h3 { "How the exposures are reckoned" }
            ul .soft { @for one in all { li {
                "Finding " (one.id) ": " (one.exposure.formula.as_deref().unwrap_or_default())
                @if let Some(stated) = &one.exposure.stated { "; " (stated.basis) } "."
            } } }
        }
    }
}
