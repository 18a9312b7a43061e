//! What is asked for, and where it stands on a page.

use maud::{Markup, html};

use super::table;
use crate::report::compliance::Compliance;
use crate::report::fields::{Field, Group};

/// What reports of this kind are asked for, group by group.
pub(super) fn fields(report: &Compliance) -> Markup {
    let rows: Vec<Vec<Markup>> = report.fields.iter().map(row).collect();
    html! {
        h2 { "What such reports are asked for" }
        p { "By regulators, grid companies and tenants, here and elsewhere. What stands in this report may still be unknown in single lines; then it says so there." }
        (table(&["about", "stands in this report", "not known here, and why"], &[], &rows))
    }
}

fn row(group: &Group) -> Vec<Markup> {
    let (mut here, mut unknown): (Vec<&Field>, Vec<&Field>) = (Vec::new(), Vec::new());
    for field in &group.fields {
        if field.place.is_some() { here.push(field) } else { unknown.push(field) }
    }
    vec![
        html! { b { (group.group) } },
        html! {
            @if here.is_empty() { "-" }
            @for (at, field) in here.iter().enumerate() { @if at > 0 { "; " } (field.name) }
        },
        html! {
            @if unknown.is_empty() { "-" }
            @for field in unknown {
                (field.name) ": " span .soft { (field.why_unknown.unwrap_or_default()) } br;
            }
        },
    ]
}
