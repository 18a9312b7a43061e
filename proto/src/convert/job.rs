//! What a user asks for.

use repower_model::{
    Array, Dependency, Egress, Gang, InputFile, JobId, JobSpec, Retries, Variable,
};

use super::{ConvertError, Problem, asked, demand, known, moment, moment_ms, span};
use crate::v1;

/// The most bytes of a name that was made up.
const NAME_BYTES: usize = 128;

impl From<&JobSpec> for v1::JobSpec {
    fn from(spec: &JobSpec) -> Self {
        let variable =
            |one: &Variable| v1::Variable { name: one.name.clone(), value: one.value.clone() };
        Self {
            name: spec.name.clone(),
            job_class: spec.class.clone(),
            project: spec.project.clone(),
            command: spec.command.clone(),
            script: spec.script.clone(),
            environment: spec.environment.iter().map(variable).collect(),
            working_folder: spec.working_folder.clone(),
            array: Some((&spec.array).into()),
            resources: Some((&spec.resources).into()),
            time_limit_ms: spec.time_limit.map_or(0, repower_model::Span::as_millis),
            grace_ms: spec.grace.as_millis(),
            priority: spec.priority,
            start_after_ms: moment_ms(spec.start_after),
            retries: Some(v1::Retries {
                user: spec.retries.user,
                system: Some(spec.retries.system),
            }),
            dependencies: spec.dependencies.iter().map(|one| (*one).into()).collect(),
            expected_ms: spec.expected.map_or(0, repower_model::Span::as_millis),
            deadline_ms: moment_ms(spec.deadline),
            gang: spec.gang.map(Into::into),
            constraints: demand::constraints(&spec.constraints),
            alternatives: spec.alternatives.iter().map(Into::into).collect(),
            checkpoint_signal: spec.checkpoint_signal.unwrap_or(0),
            checkpoint_grace_ms: spec.checkpoint_grace.map_or(0, repower_model::Span::as_millis),
            checkpoint_exit: spec.checkpoint_exit,
            on_disconnect: said(spec.on_disconnect, v1::OnDisconnect::from),
            inputs: spec.inputs.iter().map(Into::into).collect(),
            outputs: spec.outputs.clone(),
            keep_outputs: said(spec.keep_outputs, v1::Keep::from),
            isolation: said(spec.isolation, v1::Isolation::from),
            egress: spec.egress.as_ref().map(Into::into),
            pids: spec.pids.unwrap_or(0),
            pin_cpus: spec.pin_cpus,
            io_weight: spec.io_weight.unwrap_or(0),
            image: spec.image.clone(),
            checkpoint: spec.checkpoint,
            project_user: spec.project_user,
        }
    }
}

impl TryFrom<v1::JobSpec> for JobSpec {
    type Error = ConvertError;

    fn try_from(spec: v1::JobSpec) -> Result<Self, ConvertError> {
        let retries = spec.retries.unwrap_or_default();
        let dependencies = spec.dependencies.into_iter().enumerate().map(|(at, dependency)| {
            Dependency::try_from(dependency)
                .map_err(|error| error.within(&format!("dependencies[{at}]")))
        });
        let variable = |one: v1::Variable| Variable { name: one.name, value: one.value };
        let inputs = spec.inputs.into_iter().enumerate().map(|(at, input)| {
            InputFile::try_from(input).map_err(|error| error.within(&format!("inputs[{at}]")))
        });
        let egress = spec.egress.map(Egress::try_from).transpose();
        Ok(Self {
            name: if spec.name.is_empty() {
                name_of(&spec.command, &spec.script)
            } else {
                spec.name
            },
            class: spec.job_class,
            project: if spec.project.is_empty() { Self::PROJECT.to_owned() } else { spec.project },
            command: spec.command,
            script: spec.script,
            environment: spec.environment.into_iter().map(variable).collect(),
            working_folder: spec.working_folder,
            array: spec.array.map_or_else(|| Ok(Array::single()), Array::try_from)?,
            resources: asked(spec.resources.unwrap_or_default()),
            time_limit: span(spec.time_limit_ms),
            grace: span(spec.grace_ms).unwrap_or(Self::GRACE),
            priority: spec.priority,
            start_after: moment(spec.start_after_ms),
            retries: Retries {
                user: retries.user,
                system: retries.system.unwrap_or(Retries::SYSTEM),
            },
            dependencies: dependencies.collect::<Result<_, _>>()?,
            expected: span(spec.expected_ms),
            deadline: moment(spec.deadline_ms),
            gang: spec.gang.map(Gang::try_from).transpose()?,
            constraints: spec.constraints.unwrap_or_default().try_into()?,
            alternatives: spec.alternatives.into_iter().map(asked).collect(),
            checkpoint_signal: Some(spec.checkpoint_signal).filter(|signal| *signal != 0),
            checkpoint_grace: span(spec.checkpoint_grace_ms),
            checkpoint_exit: spec.checkpoint_exit,
            on_disconnect: known::<v1::OnDisconnect>("on_disconnect", spec.on_disconnect)?.into(),
            inputs: inputs.collect::<Result<_, _>>()?,
            outputs: spec.outputs,
            keep_outputs: known::<v1::Keep>("keep_outputs", spec.keep_outputs)?.into(),
            isolation: known::<v1::Isolation>("isolation", spec.isolation)?.into(),
            egress: egress.map_err(|error| error.within("egress"))?,
            pids: Some(spec.pids).filter(|pids| *pids != 0),
            pin_cpus: spec.pin_cpus,
            io_weight: Some(spec.io_weight).filter(|weight| *weight != 0),
            image: spec.image,
            checkpoint: spec.checkpoint,
            project_user: spec.project_user,
        })
    }
}

/// A word of an enumeration; left out where it says what is meant anyway.
fn said<T: Default + PartialEq + Copy, W: Into<i32>>(word: T, wire: impl Fn(T) -> W) -> i32 {
    if word == T::default() { 0 } else { wire(word).into() }
}

impl From<Dependency> for v1::Dependency {
    fn from(dependency: Dependency) -> Self {
        let Dependency { job, kind, per_task } = dependency;
        Self { job: job.0, kind: v1::DependencyKind::from(kind).into(), per_task }
    }
}

impl TryFrom<v1::Dependency> for Dependency {
    type Error = ConvertError;

    fn try_from(dependency: v1::Dependency) -> Result<Self, ConvertError> {
        let kind = v1::DependencyKind::try_from(dependency.kind)
            .map_err(|_| ConvertError::new("kind", Problem::Unknown { value: dependency.kind }))?;
        let per_task = dependency.per_task;
        Ok(Self { job: JobId(dependency.job), kind: kind.try_into()?, per_task })
    }
}

/// What a job without a name is called: the file name of its program, or `script`.
fn name_of(command: &[String], script: &[u8]) -> String {
    let program = command.first().filter(|_| script.is_empty());
    let name = program.map_or("script", |program| program.trim_end_matches('/'));
    let name = name.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("job");
    let end = (0..=NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use repower_model::{ArrayError, Cpus, Span};

    use super::*;

    fn command(words: &[&str]) -> v1::JobSpec {
        let command = words.iter().map(ToString::to_string).collect();
        v1::JobSpec { command, ..v1::JobSpec::default() }
    }

    #[test]
    fn what_is_left_out_has_the_meaning_that_the_proto_file_states() {
        let spec = JobSpec::try_from(command(&["/usr/bin/sleep", "1"])).unwrap();

        assert_eq!((spec.name.as_str(), spec.project.as_str()), ("sleep", "default"));
        assert_eq!(spec.array, Array::single());
        assert_eq!(spec.resources.cpus, Cpus::from_whole(1));
        assert_eq!((spec.time_limit, spec.grace), (None, Span::from_secs(10)));
        assert_eq!(spec.retries, Retries { user: 0, system: 20 });
        assert_eq!(spec.start_after, None);
    }

    #[test]
    fn a_job_without_a_name_is_named_after_its_command() {
        let named = |spec: v1::JobSpec| JobSpec::try_from(spec).unwrap().name;

        assert_eq!(named(v1::JobSpec { script: b"#!/bin/sh".into(), ..command(&["x"]) }), "script");
        assert_eq!(named(command(&["/"])), "job");
        assert_eq!(named(command(&[&"ä".repeat(100)])), "ä".repeat(64));
    }

    #[test]
    fn a_field_that_says_nothing_is_named() {
        let dependencies = vec![v1::Dependency { job: 1, kind: 0, per_task: false }];
        let unspecified = JobSpec::try_from(v1::JobSpec { dependencies, ..command(&["a"]) });
        let array = Some(v1::Array { ranges: vec![], limit: 3 });
        let empty = JobSpec::try_from(v1::JobSpec { array, ..command(&["a"]) });

        let problem = Problem::Unknown { value: 0 };
        assert_eq!(unspecified, Err(ConvertError::new("dependencies[0].kind", problem)));
        assert_eq!(empty, Err(ConvertError::new("array", Problem::Array(ArrayError::Empty))));
    }
}
