//! What a job asks for, in the words of `repower show`.

use jiff::tz::TimeZone;
use repower_proto::v1::{
    Decision, Dependency, Estimate, Isolation, JobSpec, Keep, OnDisconnect, Resources,
};

use crate::jobfile::signal;
use crate::render::quantity::{bytes, count, cpus};
use crate::render::{time, words};

/// The program and its arguments, or the script.
pub(super) fn command(spec: &JobSpec) -> String {
    let words = shlex::try_join(spec.command.iter().map(String::as_str))
        .unwrap_or_else(|_| spec.command.join(" "));
    if spec.script.is_empty() {
        return words;
    }
    let size = bytes(spec.script.len() as u64);
    if words.is_empty() {
        format!("a script of {size}")
    } else {
        format!("a script of {size} with {words}")
    }
}

/// Who has cancelled, approved or denied it, and why.
pub(super) fn decisions<'a>(
    decisions: &'a [Decision],
    zone: &'a TimeZone,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    decisions.iter().map(move |one| {
        let (by, at) = (&one.by, time::calendar(one.at_ms, zone));
        let reason = if one.reason.is_empty() { "no reason given" } else { &one.reason };
        (words::decision(one.kind()), format!("by {by}, {at}: {reason}"))
    })
}

/// As which user of its node a task runs.
pub(super) fn user(spec: &JobSpec, project: &str) -> String {
    let is_boxed = !matches!(spec.isolation(), Isolation::Unspecified | Isolation::Bare);
    if spec.project_user || is_boxed {
        format!("a user of project {project} on each node, or its agent's where that is not root")
    } else {
        "the user of its agent, because its class may".to_owned()
    }
}

/// What one task needs, and what would do as well.
pub(super) fn resources(spec: &JobSpec) -> String {
    let first = amounts(&spec.resources.clone().unwrap_or_default());
    let all = std::iter::once(first).chain(spec.alternatives.iter().map(amounts));
    all.collect::<Vec<_>>().join("; or ")
}

fn amounts(resources: &Resources) -> String {
    let milli = if resources.cpu_milli == 0 { 1000 } else { resources.cpu_milli };
    let noun = if milli == 1000 { "cpu" } else { "cpus" };
    let mut parts = vec![format!("{} {noun}", cpus(milli))];
    for (amount, what) in [(resources.memory_bytes, "memory"), (resources.disk_bytes, "disk")] {
        if amount > 0 {
            parts.push(format!("{} of {what}", bytes(amount)));
        }
    }
    parts.extend(resources.extras.iter().map(|extra| format!("{} {}", extra.amount, extra.name)));
    parts.join(", ")
}

/// How long an attempt may run, and how often a task is tried.
pub(super) fn limits(spec: &JobSpec) -> String {
    let retries = spec.retries.unwrap_or_default();
    let limit = if spec.time_limit_ms == 0 {
        "no time limit".into()
    } else {
        format!("{} each", time::span(spec.time_limit_ms))
    };
    let again = match retries.user {
        0 => "no retries".to_owned(),
        1 => "1 retry".to_owned(),
        more => format!("{more} retries"),
    };
    let system = retries.system.map_or_else(String::new, |system| format!(" (system {system})"));
    let (priority, checkpoint, held) = (spec.priority, checkpoint(spec), held(spec));
    format!("{limit}, priority {priority}, {again}{system}{checkpoint}{held}")
}

/// How far it is kept apart, if it is.
fn held(spec: &JobSpec) -> String {
    let level = Some(words::isolation(spec.isolation())).filter(|level| *level != "bare");
    let egress = words::egress(spec.egress.as_ref()).filter(|egress| egress != "open");
    let parts = [
        level.map(str::to_owned),
        egress.map(|egress| format!("egress {egress}")),
        (spec.pids != 0).then(|| format!("at most {} processes", spec.pids)),
        spec.pin_cpus.then(|| "on processors of its own".to_owned()),
        (spec.io_weight != 0).then(|| format!("disk weight {}", spec.io_weight)),
        (!spec.image.is_empty()).then(|| format!("in image {}", spec.image)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| format!(", {part}")).collect();
    parts.concat()
}

fn checkpoint(spec: &JobSpec) -> String {
    let signal = match (spec.checkpoint_signal, signal::name(spec.checkpoint_signal)) {
        (0, _) => String::new(),
        (_, Some(name)) => format!(", saves its work on SIG{name}"),
        (number, None) => format!(", saves its work on signal {number}"),
    };
    let within = match spec.checkpoint_grace_ms {
        0 => String::new(),
        ms => format!(" within {}", time::span(ms)),
    };
    let folder = if spec.checkpoint { ", hands its checkpoints on" } else { "" };
    let code = spec.checkpoint_exit.map(|code| format!(", goes on after exit {code}"));
    let keep = match spec.on_disconnect() {
        OnDisconnect::Keep => ", runs on when its node is cut off",
        OnDisconnect::Unspecified | OnDisconnect::Stop => "",
    };
    format!("{signal}{within}{}{folder}{keep}", code.unwrap_or_default())
}

/// How many nodes at once, and which, where it asks for that.
pub(super) fn placement(spec: &JobSpec) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(gang) = spec.gang {
        let (nodes, ranks) = (u64::from(gang.nodes), u64::from(gang.ranks_per_node.max(1)));
        let layout = words::layout(gang.layout());
        let (on, each) = (count(nodes, "node"), count(ranks, "rank"));
        fields.push(("gang", format!("{on} with {each} each, {layout}")));
    }
    let constraints = spec.constraints.clone().unwrap_or_default();
    let mut which: Vec<String> = constraints.labels.iter().map(words::label_rule).collect();
    if !constraints.isa_level.is_empty() {
        which.push(format!("{} or more", constraints.isa_level));
    }
    if constraints.exclusive {
        which.push("nothing else there meanwhile".to_owned());
    }
    if !which.is_empty() {
        fields.push(("nodes", which.join(", ")));
    }
    fields
}

/// What is brought back, where it asks for anything.
pub(super) fn outputs(spec: &JobSpec) -> Option<(&'static str, String)> {
    let when = match spec.keep_outputs() {
        Keep::Unspecified | Keep::Always => "",
        Keep::OnSuccess => ", after success",
        Keep::OnFailure => ", after a failure",
    };
    (!spec.outputs.is_empty()).then(|| ("brings back", format!("{}{when}", spec.outputs.join(" "))))
}

/// How long it takes and when it should have ended, where it says so.
pub(super) fn timing(spec: &JobSpec, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if spec.expected_ms != 0 {
        fields.push(("expected", format!("{} each", time::span(spec.expected_ms))));
    }
    if spec.deadline_ms != 0 {
        let safe = time::latest_safe_start(spec).map_or_else(
            || "no safe start is known without --expect or --time-limit".to_owned(),
            |ms| format!("latest safe start {}", time::calendar(ms, zone)),
        );
        fields.push(("deadline", format!("{}, {safe}", time::calendar(spec.deadline_ms, zone))));
    }
    fields
}

/// How long an attempt will take by what is known of runs before; nothing where the job's own words
/// say it already.
pub(super) fn estimate(estimate: &Estimate) -> Option<String> {
    let source = match estimate.source.as_str() {
        "own-tasks" => "by its own tasks so far",
        "history" => "by earlier jobs of this name",
        _ => return None,
    };
    let error = estimate.error_percent;
    let error = error.map_or_else(String::new, |error| format!(", off by {error} % on average"));
    Some(format!("{} each, {source}{error}", time::span(estimate.span_ms)))
}

/// What it waits for.
pub(super) fn after(spec: &JobSpec) -> String {
    let one = |one: &Dependency| {
        let each = if one.per_task { ":each" } else { "" };
        format!("{}:{}{each}", words::dependency_kind(one.kind()), one.job)
    };
    spec.dependencies.iter().map(one).collect::<Vec<_>>().join(", ")
}
