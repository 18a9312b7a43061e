//! Specifications of jobs as JSON.

use std::collections::BTreeMap;

use repower_model::OnDisconnect;
use repower_proto::v1;
use serde::Serialize;

use super::files::Input;
use super::{Resources, text};
use crate::jobfile::array;
use crate::render::{time, words};

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct Spec {
    command: Vec<String>,
    script: Option<String>,
    environment: BTreeMap<String, String>,
    working_folder: Option<String>,
    array: Option<Array>,
    resources: Resources,
    time_limit_ms: Option<u64>,
    grace_ms: Option<u64>,
    start_after: Option<String>,
    retries: Retries,
    dependencies: Vec<Dependency>,
    expected_ms: Option<u64>,
    deadline: Option<String>,
    latest_safe_start: Option<String>,
    gang: Option<Gang>,
    constraints: Constraints,
    alternatives: Vec<Resources>,
    checkpoint_signal: Option<i32>,
    checkpoint_grace_ms: Option<u64>,
    checkpoint_exit: Option<i32>,
    checkpoint: bool,
    on_disconnect: &'static str,
    isolation: &'static str,
    /// `open`, `none`, or the places.
    egress: Option<String>,
    pids: Option<u32>,
    pin_cpus: bool,
    io_weight: Option<u32>,
    image: Option<String>,
    project_user: bool,
    inputs: Vec<Input>,
    outputs: Vec<String>,
    keep_outputs: &'static str,
}

#[derive(Debug, Serialize)]
struct Gang {
    nodes: u32,
    ranks_per_node: u32,
    layout: &'static str,
}

#[derive(Debug, Serialize)]
struct Constraints {
    labels: Vec<String>,
    isa_level: Option<String>,
    exclusive: bool,
}

#[derive(Debug, Serialize)]
struct Array {
    indices: String,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Retries {
    user: u32,
    system: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Dependency {
    job: u64,
    kind: &'static str,
    per_task: bool,
}

impl From<&v1::JobSpec> for Spec {
    fn from(spec: &v1::JobSpec) -> Self {
        let retries = spec.retries.unwrap_or_default();
        let variables = spec.environment.iter().map(|one| (one.name.clone(), one.value.clone()));
        let array = spec.array.as_ref().map(|array| Array {
            indices: array::ranges(&array.ranges),
            limit: (array.limit != 0).then_some(array.limit),
        });
        let dependency = |one: &v1::Dependency| Dependency {
            job: one.job,
            kind: words::dependency_kind(one.kind()),
            per_task: one.per_task,
        };
        Self {
            command: spec.command.clone(),
            script: text(&String::from_utf8_lossy(&spec.script)),
            environment: variables.collect(),
            working_folder: text(&spec.working_folder),
            array,
            resources: Resources::from(&spec.resources.clone().unwrap_or_default()),
            time_limit_ms: (spec.time_limit_ms != 0).then_some(spec.time_limit_ms),
            grace_ms: (spec.grace_ms != 0).then_some(spec.grace_ms),
            start_after: time::rfc3339(spec.start_after_ms),
            retries: Retries { user: retries.user, system: retries.system },
            dependencies: spec.dependencies.iter().map(dependency).collect(),
            expected_ms: (spec.expected_ms != 0).then_some(spec.expected_ms),
            deadline: time::rfc3339(spec.deadline_ms),
            latest_safe_start: time::latest_safe_start(spec).and_then(time::rfc3339),
            gang: spec.gang.as_ref().map(Gang::from),
            constraints: Constraints::from(&spec.constraints.clone().unwrap_or_default()),
            alternatives: spec.alternatives.iter().map(Resources::from).collect(),
            inputs: spec.inputs.iter().map(Input::from).collect(),
            outputs: spec.outputs.clone(),
            keep_outputs: words::keep(spec.keep_outputs()),
            checkpoint_signal: (spec.checkpoint_signal != 0).then_some(spec.checkpoint_signal),
            checkpoint_grace_ms: (spec.checkpoint_grace_ms != 0)
                .then_some(spec.checkpoint_grace_ms),
            checkpoint_exit: spec.checkpoint_exit,
            checkpoint: spec.checkpoint,
            on_disconnect: OnDisconnect::from(spec.on_disconnect()).as_str(),
            isolation: words::isolation(spec.isolation()),
            egress: words::egress(spec.egress.as_ref()),
            pids: (spec.pids != 0).then_some(spec.pids),
            pin_cpus: spec.pin_cpus,
            io_weight: (spec.io_weight != 0).then_some(spec.io_weight),
            image: text(&spec.image),
            project_user: spec.project_user,
        }
    }
}

impl From<&v1::Gang> for Gang {
    fn from(gang: &v1::Gang) -> Self {
        let (nodes, ranks_per_node) = (gang.nodes, gang.ranks_per_node.max(1));
        Self { nodes, ranks_per_node, layout: words::layout(gang.layout()) }
    }
}

impl From<&v1::Constraints> for Constraints {
    fn from(constraints: &v1::Constraints) -> Self {
        Self {
            labels: constraints.labels.iter().map(words::label_rule).collect(),
            isa_level: text(&constraints.isa_level),
            exclusive: constraints.exclusive,
        }
    }
}
