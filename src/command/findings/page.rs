//! Findings as people read them.

use jiff::tz::TimeZone;
use repower_core::policy::money;
use repower_proto::v1::{Exposure, Finding, FindingReply, FindingState, ListFindingsReply};

use crate::failure::Failure;
use crate::render::quantity::bytes;
use crate::render::{Cell, Column, Screen, Table, json, time, words};

/// A list of findings.
pub(super) fn list(
    screen: &mut Screen,
    reply: &ListFindingsReply,
    now_ms: i64,
) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Findings::from(reply))?);
    }
    let all = || reply.findings.iter().filter_map(|one| Some((one, one.finding.as_ref()?)));
    if screen.is_quiet() {
        for (_, finding) in all() {
            screen.line(finding.id)?;
        }
        return Ok(());
    }
    if reply.findings.is_empty() {
        screen.note("no findings");
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::number("ID"),
        Column::whole("STATE"),
        Column::whole("TASK"),
        Column::cut("CLASS", 8),
        Column::cut("NODE", 6),
        Column::whole("DONE"),
        Column::whole("SEEN"),
        Column::cut("RULES", 12),
    ]);
    for (one, finding) in all() {
        let state = finding.state();
        table.row([
            finding.id.to_string().into(),
            Cell::tinted(words::finding_state(state), words::finding_tint(state)),
            task(finding).into(),
            finding.job_class.as_str().into(),
            node(finding).into(),
            done(one, finding).into(),
            format!("{} ago", time::between(last_seen(finding), now_ms)).into(),
            rules(finding).into(),
        ]);
    }
    screen.table(&table)?;
    if reply.more {
        screen.note("older ones are left: ask for more with -n");
    }
    Ok(())
}

/// One line of a finding, for those who follow.
pub(super) fn line(reply: &FindingReply) -> String {
    let Some(finding) = &reply.finding else { return String::new() };
    words::tame(&format!(
        "finding {}: {}, task {} of class {} on {}: {} ({})",
        finding.id,
        words::finding_state(finding.state()),
        task(finding),
        finding.job_class,
        node(finding),
        done(reply, finding),
        rules(finding),
    ))
}

/// All of a finding.
pub(super) fn show(
    screen: &mut Screen,
    reply: &FindingReply,
    zone: &TimeZone,
) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Finding::from(reply))?);
    }
    let Some(finding) = &reply.finding else { return Ok(()) };
    let state = finding.state();
    let mut field = |name: &str, value: String| {
        let value = words::tame(&value);
        screen.line(format!("{name:<11} {value}"))
    };
    field("finding", format!("{}, {}", finding.id, words::finding_state(state)))?;
    field("task", task(finding))?;
    field("declares", format!("class {}, project {}", finding.job_class, finding.project))?;
    field("submitter", finding.submitter.clone())?;
    field("node", node(finding))?;
    field("site", known(&finding.site))?;
    field("meter", known(&finding.meter))?;
    field("first seen", time::calendar(first_seen(finding), zone))?;
    field("last seen", time::calendar(last_seen(finding), zone))?;
    field("done", done(reply, finding))?;
    for (at, line) in exposure(reply.exposure.as_ref(), zone).into_iter().enumerate() {
        field(if at == 0 { "exposure" } else { "" }, line)?;
    }
    for one in &finding.verdicts {
        let detail =
            if one.detail.is_empty() { String::new() } else { format!(", {}", one.detail) };
        let times = if one.times == 1 { "once".into() } else { format!("{} times", one.times) };
        field(&format!("tier {}", one.tier), format!("{}, {times}{detail}", one.rule))?;
    }
    for image in &finding.images {
        let digest = json::hex(&image.digest);
        let is_out = reply.quarantined.contains(&image.digest);
        let whose = match (is_out, image.shared) {
            (true, _) => " (in quarantine)",
            (false, true) => " (of the host)",
            (false, false) => "",
        };
        field("program", format!("{}{whose} {digest}", image.path))?;
    }
    for bundle in &finding.evidence {
        let cut = if bundle.cut { ", cut at its bound" } else { "" };
        let kept = if bundle.kept { "" } else { ", but the store could not keep it" };
        let digest = json::hex(&bundle.digest);
        field("evidence", format!("{}{cut}{kept} {digest}", bytes(bundle.bytes)))?;
    }
    for review in &finding.reviews {
        let state = words::finding_state(review.state());
        let at = time::calendar(review.at_ms, zone);
        field("decision", format!("{at} {} {state}: {}", review.by, review.reason))?;
    }
    Ok(())
}

/// What follows from a decision, after a semicolon.
pub(super) fn follows(reply: &FindingReply) -> String {
    let Some(finding) = &reply.finding else { return String::new() };
    let own = finding.images.iter().filter(|image| !image.shared).count();
    if finding.subject.is_none() {
        return brought(finding, reply.quarantined.len());
    }
    match finding.state() {
        FindingState::Dismissed if reply.is_live => "; its task goes on".to_owned(),
        FindingState::Dismissed => "; what its task has made can be fetched".to_owned(),
        FindingState::Confirmed => {
            let ends = if reply.is_live { "its task ends" } else { "its task has ended" };
            match reply.quarantined.len() {
                0 if own == 0 => format!("; {ends}, and there is no program of its own to forbid"),
                0 => format!("; {ends}"),
                1 => format!("; {ends}, and jobs that bring its program are refused"),
                many => format!("; {ends}, and jobs that bring {many} of its programs are refused"),
            }
        }
        FindingState::UnderReview
        | FindingState::Appealed
        | FindingState::Open
        | FindingState::Lapsed
        | FindingState::Unspecified => String::new(),
    }
}

/// What follows for what was noticed before it could be a task.
fn brought(finding: &Finding, quarantined: usize) -> String {
    let job = finding.job;
    match (finding.state(), quarantined) {
        (FindingState::Dismissed, 0) if job != 0 => {
            format!("; if job {job} still waits, `repower review {job} --approve` lets it go")
        }
        (FindingState::Dismissed, 1..) => {
            "; what was brought stays in quarantine: `repower quarantine --release` ends that"
                .into()
        }
        (FindingState::Confirmed, 0) if job != 0 => {
            format!("; nothing of job {job} starts any more")
        }
        (FindingState::Confirmed, 1..) => "; what was brought stays in quarantine".to_owned(),
        _ => String::new(),
    }
}

fn task(finding: &Finding) -> String {
    match &finding.subject {
        Some(at) => {
            let rank = if at.rank == 0 { String::new() } else { format!("/{}", at.rank) };
            format!("{}.{}#{}{rank}", finding.job, at.index, at.number)
        }
        None if finding.job == 0 => "-".to_owned(),
        None => finding.job.to_string(),
    }
}

fn node(finding: &Finding) -> String {
    finding.subject.as_ref().map_or_else(|| "-".to_owned(), |at| at.node_name.clone())
}

fn done(reply: &FindingReply, finding: &Finding) -> String {
    if finding.subject.is_none() {
        // Of a submission: what became a job waits until a person has looked.
        let is_open = matches!(
            finding.state(),
            FindingState::Open | FindingState::UnderReview | FindingState::Appealed
        );
        return match finding.job {
            0 => "refused",
            _ if is_open => "job held",
            _ => "nothing",
        }
        .to_owned();
    }
    if reply.is_frozen {
        return "frozen".to_owned();
    }
    if reply.holds_outputs {
        return "outputs held".to_owned();
    }
    match finding.state() {
        FindingState::Dismissed | FindingState::Lapsed => "nothing".to_owned(),
        FindingState::Open
        | FindingState::UnderReview
        | FindingState::Appealed
        | FindingState::Confirmed
        | FindingState::Unspecified => "asked".to_owned(),
    }
}

fn rules(finding: &Finding) -> String {
    let rules: Vec<&str> = finding.verdicts.iter().map(|one| one.rule.as_str()).collect();
    rules.join(", ")
}

fn first_seen(finding: &Finding) -> i64 {
    finding.verdicts.iter().map(|one| one.first_seen_ms).min().unwrap_or(finding.opened_ms)
}

fn last_seen(finding: &Finding) -> i64 {
    finding.verdicts.iter().map(|one| one.last_seen_ms).max().unwrap_or(finding.opened_ms)
}

fn known(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

/// What it can cost, a line for each thing that can be said: what is not known says so.
fn exposure(exposure: Option<&Exposure>, zone: &TimeZone) -> Vec<String> {
    let Some(exposure) = exposure else { return vec!["unknown".to_owned()] };
    let currency = &exposure.currency;
    let amount = exposure
        .amount_micro
        .map_or_else(|| "unknown".to_owned(), |micro| format!("{} {currency}", money(micro)));
    let why = match exposure.unknown.as_str() {
        "" => String::new(),
        why => format!(": {why}"),
    };
    let mut lines = vec![format!("{amount}{why}")];
    if !exposure.formula.is_empty() {
        lines.push(exposure.formula.clone());
    }
    if let (Some(from), Some(until)) = (exposure.from_ms, exposure.until_ms) {
        let (from, until) = (time::calendar(from, zone), time::calendar(until, zone));
        let rule = match exposure.rule.as_str() {
            "" => String::new(),
            rule => format!(" ({rule})"),
        };
        lines.push(format!("charged from {from} to {until}, by {}{rule}", exposure.jurisdiction));
    }
    if let Some(stated) = &exposure.stated {
        lines.push(stated.basis.clone());
    }
    lines
}
