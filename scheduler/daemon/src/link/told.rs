//! What agents send, read from the wire: bounded, and sorted by who takes it.

use repower_artefacts::check_path;
use repower_artefacts::outputs::MOST as MOST_FILES;
use repower_core::fact::OutputsKept;
use repower_core::input::{Noticed, Report};
use repower_core::policy::hash_of;
use repower_model::{
    Artefact, Evidence, Finding, Image, Outcome, Progress, RankId, Timestamp, Verdict,
};
use repower_proto::convert::{self, ConvertError, Problem as Wrong};
use repower_proto::v1;
use repower_store::output::{CHUNK_LIMIT, Chunk, Stream};

/// The most bytes that are kept of a text that an agent sends.
const TEXT: usize = 1000;
/// The most bytes of evidence of one report.
const EVIDENCE: usize = 64 << 10;

/// Output on one side, what the engine is told on the other, and evidence that belongs to it.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) chunks: Vec<Chunk>,
    pub(super) told: Vec<Report>,
    pub(super) bundles: Vec<Bundle>,
}

/// Evidence, and the report that it belongs to.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) at: usize,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn sort(reports: Vec<v1::Report>) -> Result<Sorted, ConvertError> {
    use v1::report::Body;
    let mut sorted = Sorted { told: Vec::with_capacity(reports.len()), ..Sorted::default() };
    let Sorted { chunks, told, bundles } = &mut sorted;
    for report in reports {
        match convert::present("report.body", report.body)? {
            Body::Output(output) => chunks.push(chunk(output)?),
            Body::Started(started) => told.push(Report::Started {
                rank: rank(started.attempt)?,
                started: Timestamp::from_millis(started.started_ms),
            }),
            Body::Claimed(process) => {
                let (rank, progress) = claimed(process)?;
                told.push(Report::Claimed { rank, progress: Box::new(progress) });
            }
            Body::Kept(kept) => told.push(Report::Kept(Box::new(outputs(kept)?))),
            Body::Saved(saved) => {
                let (rank, kept) = saved.read()?;
                told.push(Report::Saved { rank, kept: kept.map_err(short) });
            }
            Body::Stopping(stopping) => told.push(Report::Stopping {
                rank: rank(stopping.attempt)?,
                step: convert::known::<v1::StopStep>("stopping.step", stopping.step)?.try_into()?,
                cause: convert::known::<v1::StopCause>("stopping.cause", stopping.cause)?
                    .try_into()?,
                signal: stopping.signal,
                taken: Timestamp::from_millis(stopping.at_ms),
            }),
            Body::Noticed(mut noticed) => {
                let bytes = std::mem::take(&mut noticed.evidence);
                let (noticed, bytes) = seen(noticed, bytes)?;
                if !bytes.is_empty() {
                    bundles.push(Bundle { at: told.len(), bytes });
                }
                told.push(Report::Noticed(Box::new(noticed)));
            }
            Body::Ended(ended) => told.push(Report::Ended {
                rank: rank(ended.attempt)?,
                outcome: Outcome::try_from(outcome(ended.outcome)?)
                    .map_err(|error| error.within("ended.outcome"))?,
                usage: convert::present("ended.usage", ended.usage)?.into(),
                started: convert::moment(ended.started_ms),
                ended: Timestamp::from_millis(ended.ended_ms),
            }),
        }
    }
    Ok(sorted)
}

/// What a process says of its progress.
pub(super) fn claimed(process: v1::ProcessProgress) -> Result<(RankId, Progress), ConvertError> {
    let progress = convert::present("progress", process.progress)?;
    let progress = Progress::try_from(progress).map_err(|error| error.within("progress"))?;
    Ok((rank(process.attempt)?, progress))
}

/// What was noticed about a process, with bounded texts, and its evidence.
fn seen(noticed: v1::Noticed, mut bytes: Vec<u8>) -> Result<(Noticed, Vec<u8>), ConvertError> {
    let cut = noticed.cut || bytes.len() > EVIDENCE;
    bytes.truncate(EVIDENCE);
    let evidence = (!bytes.is_empty()).then(|| Evidence {
        digest: hash_of(&bytes),
        bytes: bytes.len() as u64,
        cut,
        kept: false,
    });
    let verdicts = noticed.verdicts.into_iter().take(Finding::VERDICTS).map(|one| {
        let (rule, mechanism) = (short(one.rule), short(one.mechanism));
        Verdict::try_from(v1::Verdict { rule, mechanism, detail: short(one.detail), ..one })
    });
    let images = noticed.images.into_iter().take(Finding::IMAGES);
    let images = images.map(|one| Image::try_from(v1::Image { path: short(one.path), ..one }));
    let verdicts = verdicts.collect::<Result<_, _>>().map_err(|error| error.within("verdicts"))?;
    let images = images.collect::<Result<_, _>>().map_err(|error| error.within("images"))?;
    Ok((Noticed { rank: rank(noticed.attempt)?, verdicts, images, evidence }, bytes))
}

/// The outputs of a process, with bounded texts.
fn outputs(kept: v1::Kept) -> Result<OutputsKept, ConvertError> {
    let artefacts = kept.artefacts.into_iter().take(MOST_FILES).map(Artefact::try_from);
    let artefacts: Vec<Artefact> =
        artefacts.collect::<Result<_, _>>().map_err(|error| error.within("kept.artefacts"))?;
    // Whoever fetches them checks that, too; but a path that leads out is nothing to keep for ever.
    let (artefacts, bad): (Vec<_>, Vec<_>) =
        artefacts.into_iter().partition(|artefact| check_path(&artefact.path).is_ok());
    let mut missing: Vec<String> = kept.missing.into_iter().take(MOST_FILES).map(short).collect();
    missing.extend(bad.into_iter().map(|artefact| {
        short(format!("{}: its path leads out of the working folder", artefact.path))
    }));
    Ok(OutputsKept { rank: rank(kept.attempt)?, artefacts, missing })
}

fn outcome(outcome: Option<v1::Outcome>) -> Result<v1::Outcome, ConvertError> {
    let outcome = convert::present("ended.outcome", outcome)?;
    Ok(v1::Outcome { detail: short(outcome.detail), ..outcome })
}

/// An inventory whose texts are bounded.
pub(super) fn brief(inventory: v1::Inventory) -> v1::Inventory {
    v1::Inventory {
        hostname: short(inventory.hostname),
        kernel: short(inventory.kernel),
        cpu_model: short(inventory.cpu_model),
        isa_level: short(inventory.isa_level),
        version: short(inventory.version),
        address: short(inventory.address),
        ..inventory
    }
}

/// As much of a text as is kept for ever.
pub(super) fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

pub(super) fn rank(attempt: Option<v1::AttemptRef>) -> Result<RankId, ConvertError> {
    Ok(convert::present("report.attempt", attempt)?.into())
}

fn chunk(output: v1::Output) -> Result<Chunk, ConvertError> {
    let stream = match output.stream() {
        v1::Stream::Stdout => Stream::Stdout,
        v1::Stream::Stderr => Stream::Stderr,
        v1::Stream::Unspecified => {
            let problem = Wrong::Unknown { value: output.stream };
            return Err(ConvertError::new("output.stream", problem));
        }
    };
    if output.data.len() > CHUNK_LIMIT {
        let problem = Wrong::Length { expected: CHUNK_LIMIT, got: output.data.len() };
        return Err(ConvertError::new("output.data", problem));
    }
    let (start, missing, bytes) = (output.offset, output.missing.min(output.offset), output.data);
    Ok(Chunk { rank: rank(output.attempt)?, stream, start, missing, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_an_agent_is_cut_between_characters() {
        assert_eq!(short("fine".to_owned()), "fine");
        assert_eq!(short("\u{20ac}".repeat(1000)), "\u{20ac}".repeat(333));
    }
}
