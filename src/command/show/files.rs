//! The files of a job, in the tables of `repower show`.

use repower_proto::v1::{OutputsReply, ShowJobReply};

use crate::failure::Failure;
use crate::render::json::hex;
use crate::render::quantity::bytes;
use crate::render::{Column, Screen, Table, words};

/// Processes whose outputs are looked at.
pub(super) const PROCESSES: u32 = 100;
/// Files that are listed.
const FILES: usize = 20;

/// Lists what the job was given and what it has brought back.
pub(super) fn show(
    screen: &mut Screen,
    reply: &ShowJobReply,
    outputs: &OutputsReply,
) -> Result<(), Failure> {
    if let Some(table) = inputs(reply) {
        screen.line("")?;
        screen.table(&table)?;
    }
    let files = outputs.outputs.iter().map(|kept| kept.artefacts.len()).sum::<usize>();
    if files > 0 {
        screen.line("")?;
        screen.table(&kept(reply, outputs))?;
    }
    let job = reply.summary.as_ref().map_or(0, |summary| summary.id);
    if files > FILES || outputs.more {
        screen.note(format_args!("there are more files; `repower fetch {job}` fetches them all"));
    }
    let all = outputs.outputs.iter();
    let missing = all.flat_map(|kept| kept.missing.iter().map(move |what| (kept, what)));
    for (kept, what) in missing.take(FILES) {
        let rank = if kept.rank == 0 { String::new() } else { format!("/{}", kept.rank) };
        let what = words::tame(what);
        screen.note(format_args!("not brought back of {job}.{}{rank}: {what}", kept.index));
    }
    Ok(())
}

fn inputs(reply: &ShowJobReply) -> Option<Table> {
    let inputs = reply.spec.as_ref().map(|spec| &spec.inputs[..]).unwrap_or_default();
    let mut table = Table::new(&[
        Column::cut("INPUT", 8),
        Column::number("SIZE"),
        Column::cut("SHA-256", 12),
        Column::cut("FROM", 12),
    ]);
    for input in inputs {
        let slash = if input.unpack { "/" } else { "" };
        let stored = input.url.is_empty();
        table.row([
            format!("{}{slash}", input.path).into(),
            if stored { bytes(input.bytes) } else { "-".to_owned() }.into(),
            if input.digest.is_empty() { "-".to_owned() } else { hex(&input.digest) }.into(),
            if stored { "the store".to_owned() } else { input.url.clone() }.into(),
        ]);
    }
    (!inputs.is_empty()).then_some(table)
}

fn kept(reply: &ShowJobReply, outputs: &OutputsReply) -> Table {
    let job = reply.summary.as_ref().map_or(0, |summary| summary.id);
    let mut table = Table::new(&[
        Column::whole("TASK"),
        Column::cut("OUTPUT", 8),
        Column::number("SIZE"),
        Column::cut("SHA-256", 12),
    ]);
    let all = outputs.outputs.iter();
    let all = all.flat_map(|kept| kept.artefacts.iter().map(move |one| (kept, one)));
    for (kept, artefact) in all.take(FILES) {
        let rank = if kept.rank == 0 { String::new() } else { format!("/{}", kept.rank) };
        table.row([
            format!("{job}.{}#{}{rank}", kept.index, kept.attempt).into(),
            artefact.path.as_str().into(),
            bytes(artefact.bytes).into(),
            hex(&artefact.digest).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{Artefact, InputFile, JobSpec, JobSummary, KeptOutputs};

    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::pages;

    #[test]
    fn inputs_and_outputs_are_listed_with_their_digests_and_what_is_missing_is_said() {
        let stored = InputFile {
            digest: vec![0xab; 32],
            bytes: 2048,
            path: "data".into(),
            unpack: true,
            ..InputFile::default()
        };
        let url = InputFile { url: "https://h/x".into(), path: "x".into(), ..InputFile::default() };
        let reply = ShowJobReply {
            summary: Some(JobSummary { id: 12, ..JobSummary::default() }),
            spec: Some(JobSpec { inputs: vec![stored, url], ..JobSpec::default() }),
            ..ShowJobReply::default()
        };
        let artefact = Artefact { path: "out/a.csv".into(), bytes: 7, digest: vec![0xcd; 32] };
        let kept = KeptOutputs {
            index: 3,
            attempt: 2,
            rank: 0,
            artefacts: vec![artefact],
            missing: vec!["*.png".into()],
        };
        let outputs = OutputsReply { outputs: vec![kept], more: false };

        let (out, err, shown) = pages(Form::Table, |screen| show(screen, &reply, &outputs));

        shown.expect("memory takes all");
        for word in ["data/", "2 KiB", "abababababab", "the store", "https://h/x"] {
            assert!(out.contains(word), "{word}: {out}");
        }
        for word in ["12.3#2", "out/a.csv", "7 B", "cdcdcdcdcdcd"] {
            assert!(out.contains(word), "{word}: {out}");
        }
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        assert_eq!(err, "not brought back of 12.3: *.png\n");
    }
}
