//! From the session's words to the wire's and back.

use std::sync::Arc;

use prost::Message as _;
use repower_agent_core::{Batch, Input, Noticed, Report, Stream, Terms};
use repower_model::{
    Checkpoint, Image, JobId, JobSpec, RankId, Rendezvous, Response, Span, StopReason, Verdict,
};
use repower_proto::convert::{self, ConvertError};
use repower_proto::v1;

/// One order as an input; `None`, and a line in the log, if it makes no sense.
pub(super) fn input(order: v1::Order) -> Option<Input<'static>> {
    match read(order) {
        Ok(input) => Some(input),
        Err(error) => {
            tracing::error!(%error, "the scheduler has sent an order that makes no sense");
            None
        }
    }
}

fn read(order: v1::Order) -> Result<Input<'static>, ConvertError> {
    use v1::order::Body;
    Ok(match convert::present("body", order.body)? {
        Body::Define(define) => Input::Define {
            job: JobId(define.job),
            spec: Box::new(JobSpec::try_from(convert::present("spec", define.spec)?)?),
            tasks: define.array_count,
            hardest: hardest(&define.watch),
            watch: define.watch,
        },
        Body::Forget(forget) => Input::Forget(JobId(forget.job)),
        Body::Start(start) => Input::Start {
            attempt: attempt(start.attempt)?.attempt,
            alternative: start.alternative,
            rendezvous: rendezvous(start.rendezvous)?,
            checkpoint: start.checkpoint.map(Checkpoint::try_from).transpose()?,
        },
        Body::DropCheckpoint(drop) => {
            Input::DropCheckpoint(convert::present("task", drop.task)?.into())
        }
        Body::Freeze(freeze) => Input::Freeze(attempt(freeze.attempt)?),
        Body::Thaw(thaw) => Input::Thaw(attempt(thaw.attempt)?, thaw.rules),
        Body::Stop(stop) => {
            let reason: v1::StopReason = convert::known("reason", stop.reason)?;
            Input::Stop(attempt(stop.attempt)?, StopReason::try_from(reason)?)
        }
    })
}

/// The hardest thing that is done about tasks that are watched like this; all, if that cannot be read.
fn hardest(watch: &[u8]) -> Response {
    let settings = v1::WatchSettings::decode(watch).unwrap_or_default();
    let told = settings.hardest.and_then(|hardest| v1::FindingResponse::try_from(hardest).ok());
    told.map_or(Response::Kill, Into::into)
}

fn attempt(wire: Option<v1::AttemptRef>) -> Result<RankId, ConvertError> {
    Ok(convert::present("attempt", wire)?.into())
}

fn rendezvous(wire: Option<v1::Rendezvous>) -> Result<Option<Arc<Rendezvous>>, ConvertError> {
    wire.map(|wire| Rendezvous::try_from(wire).map(Arc::new)).transpose()
}

/// What the detector has noticed.
pub(super) fn noticed(told: v1::Noticed) -> Result<Noticed, ConvertError> {
    let verdicts = told.verdicts.into_iter().map(Verdict::try_from);
    let images = told.images.into_iter().map(Image::try_from);
    Ok(Noticed {
        attempt: attempt(told.attempt)?,
        verdicts: verdicts.collect::<Result<_, _>>()?,
        images: images.collect::<Result<_, _>>()?,
        evidence: told.evidence,
        cut: told.cut,
    })
}

/// What the scheduler said in its welcome.
pub(super) fn terms(link: &v1::LinkUp) -> Terms {
    Terms { lease: Span::from_millis(link.lease_ms), output_bytes: link.output_bytes }
}

/// A message of reports.
pub(super) fn reports(batch: &Batch<'_>) -> v1::Reports {
    v1::Reports {
        first: batch.first,
        reports: batch
            .reports
            .iter()
            .map(|report| v1::Report { body: Some(body(report)) })
            .collect(),
    }
}

fn body(report: &Report) -> v1::report::Body {
    use v1::report::Body;
    match report {
        Report::Output { attempt, stream, offset, missing, data } => Body::Output(v1::Output {
            attempt: Some((*attempt).into()),
            stream: match stream {
                Stream::Stdout => v1::Stream::Stdout.into(),
                Stream::Stderr => v1::Stream::Stderr.into(),
            },
            offset: *offset,
            data: data.clone(),
            missing: *missing,
        }),
        Report::Started { attempt, started } => Body::Started(v1::Started {
            attempt: Some((*attempt).into()),
            started_ms: started.as_millis(),
        }),
        Report::Kept { attempt, artefacts, missing } => Body::Kept(v1::Kept {
            attempt: Some((*attempt).into()),
            artefacts: artefacts.iter().map(Into::into).collect(),
            missing: missing.clone(),
        }),
        Report::Claimed { attempt, progress } => Body::Claimed(v1::ProcessProgress {
            attempt: Some((*attempt).into()),
            progress: Some((&**progress).into()),
        }),
        Report::Saved { attempt, kept } => Body::Saved(v1::Saved::of(*attempt, kept)),
        Report::Stopping { attempt, step, cause, signal, taken } => Body::Stopping(v1::Stopping {
            attempt: Some((*attempt).into()),
            step: v1::StopStep::from(*step).into(),
            cause: v1::StopCause::from(*cause).into(),
            signal: *signal,
            at_ms: taken.as_millis(),
        }),
        Report::Noticed(noticed) => Body::Noticed(v1::Noticed {
            attempt: Some(noticed.attempt.into()),
            verdicts: noticed.verdicts.iter().map(Into::into).collect(),
            images: noticed.images.iter().map(Into::into).collect(),
            evidence: noticed.evidence.clone(),
            cut: noticed.cut,
        }),
        Report::Ended { attempt, outcome, usage, started, ended } => Body::Ended(v1::Ended {
            attempt: Some((*attempt).into()),
            outcome: Some(outcome.into()),
            usage: Some((*usage).into()),
            started_ms: convert::moment_ms(*started),
            ended_ms: ended.as_millis(),
        }),
    }
}
