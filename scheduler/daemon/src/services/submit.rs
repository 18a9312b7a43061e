//! Submitting.

use prost::Message as _;
use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::input::{Input, Submit};
use repower_core::policy::hash_of;
use repower_core::refusal::Refusal;
use repower_model::{JobId, JobSpec, Key, Source};
use repower_proto::convert;
use repower_proto::v1;
use tonic::Status;

use super::{outputs, summary};
use crate::admission::{Files, Look};
use crate::problem::Problem;
use crate::shared::Shared;

/// Submits what a client asks for.
pub(super) async fn submit(
    shared: &Shared,
    by: String,
    request: v1::SubmitRequest,
) -> Result<v1::SubmitReply, Status> {
    let key = convert::key("key", &request.key).map_err(Problem::from)?;
    let spec = convert::present("spec", request.spec).map_err(Problem::from)?;
    spec_of(shared, by, key, spec).await
}

/// Submits a specification.
pub(super) async fn spec_of(
    shared: &Shared,
    submitter: String,
    key: Key,
    spec: v1::JobSpec,
) -> Result<v1::SubmitReply, Status> {
    let spec_hash = hash_of(&spec.encode_to_vec());
    let spec = read(spec)?;
    // Before anything is looked up or looked at for it.
    Engine::bounds(&spec).map_err(Problem::from)?;
    shared.artefacts.check(&spec).await?;
    for input in &spec.inputs {
        if let Source::Stored { digest, .. } = input.source {
            outputs::held_artefact(shared, digest).await?;
        }
    }
    let Look { marks, looked_by } = shared.admission.look(shared, &spec, Files::All).await?;
    let past = Vec::new();
    let submit = Submit { key, submitter, spec, spec_hash, past, marks, looked_by };
    let answer = shared.keeper.ask(Input::Submit(Box::new(submit))).await?;
    let Answer::Job { job, created, tasks, hold } = answer else {
        return Err(unexpected());
    };
    Ok(v1::SubmitReply {
        job: job.0,
        created,
        tasks,
        hold_code: hold.as_ref().map(|hold| hold.code().to_owned()).unwrap_or_default(),
        hold: hold.map(|hold| hold.to_string()).unwrap_or_default(),
    })
}

/// A specification as it came, in the words of the model.
pub(super) fn read(spec: v1::JobSpec) -> Result<JobSpec, Problem> {
    JobSpec::try_from(spec).map_err(|error| match error.problem {
        convert::Problem::Array(source) => Problem::from(Refusal::BadArray(source)),
        convert::Problem::Missing
        | convert::Problem::Unknown { .. }
        | convert::Problem::UnknownWord { .. }
        | convert::Problem::Length { .. }
        | convert::Problem::Malformed => Problem::from(error.within("spec")),
    })
}

/// What to say of a job that is not in memory.
pub(super) async fn ended_or_unknown(shared: &Shared, job: JobId) -> Problem {
    match summary::row(shared, job).await {
        Ok(_) => Refusal::JobHasEnded { job }.into(),
        Err(problem) => problem,
    }
}

/// An answer that does not fit the question: a bug.
pub(super) fn unexpected() -> Status {
    tracing::error!("the engine gave an answer that does not fit the question");
    Status::internal("the engine gave an answer that does not fit the question")
}
