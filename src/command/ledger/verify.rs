//! `repower ledger verify`.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use repower_store::checkpoint::Checkpoint;
use repower_store::export;
use repower_store::journal::StoredEntry;
use repower_store::note::VerifierKey;
use repower_store::sqlite::Reader;
use repower_store::verify::{self, OutsideError, Report, Verifier};
use serde::Serialize;

use super::Place;
use super::error::LedgerError;
use super::prove::kept_key;
use super::source::{self, Source, seq_of};
use crate::failure::{Exit, Failure};
use crate::render::progress::Counter;
use crate::render::quantity::count;
use crate::render::{Screen, json, time};

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// File with a head that was kept outside; may be repeated
    #[arg(long, value_name = "HEADFILE")]
    against: Vec<PathBuf>,
    /// File with the public key of the ledger, kept outside [default: as the ledger says]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File that `repower ledger export` made, instead of asking a scheduler
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "data")]
    export: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Serialize)]
struct Document {
    holds: bool,
    ledger: String,
    facts: u64,
    heads: u64,
    outside_heads: u64,
    head: Option<Newest>,
    first_bad: Option<Bad>,
    snapshots: usize,
    damaged_snapshots: Vec<String>,
}

#[derive(Serialize)]
struct Newest {
    size: u64,
    root: String,
    at: Option<String>,
}

#[derive(Serialize)]
struct Bad {
    place: String,
    what: String,
}

impl Verify {
    /// Verifies, and fails if the ledger does not hold.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let counter = Counter::new(!screen.is_quiet() && !screen.is_json());
        let (key, report) = match (&self.export, &self.place.data) {
            (Some(export), _) => self.of_export(export, &counter)?,
            (None, Some(folder)) => self.of_folder(folder, &counter)?,
            (None, None) => self.of_scheduler(screen, &counter).await?,
        };
        counter.end();
        // Every cell has a first fact: a ledger without one was wiped, or never was.
        if report.facts == 0 && report.first_bad.is_none() {
            return Err(LedgerError::Empty.into());
        }
        tell(screen, &key, report)
    }

    fn of_folder(
        &self,
        folder: &Path,
        counter: &Counter,
    ) -> Result<(VerifierKey, Report), Failure> {
        let said = Reader::open(folder)
            .map_err(LedgerError::from)?
            .verifier_key()
            .map_err(LedgerError::from)?;
        let said = said.ok_or(LedgerError::NoKey)?.trim_end().parse().map_err(LedgerError::Key)?;
        let key = kept_key(self.key.as_deref(), said)?;
        let verifier = self.verifier(&key)?;
        let report = verify::verify_folder(folder, verifier, |facts| counter.at(facts))
            .map_err(LedgerError::from)?;
        Ok((key, report))
    }

    async fn of_scheduler(
        &self,
        screen: &mut Screen,
        counter: &Counter,
    ) -> Result<(VerifierKey, Report), Failure> {
        let source = Source::open(&self.place, screen).await?;
        let (newest, said) = source.newest().await?;
        let key = kept_key(self.key.as_deref(), said)?;
        let mut verifier = self.verifier(&key)?;
        let size = newest.head.size;
        let heads = source.all_heads().await?;
        // Heads that came while they were listed cover facts that are not looked at.
        heads.iter().filter(|head| head.head.size < size).for_each(|head| verifier.stored(head));
        verifier.stored(&newest);
        if size > 0 {
            let take = |fact: StoredEntry| {
                verifier.fact(&fact);
                counter.at(verifier.size());
                Ok(if verifier.goes_on() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            };
            source.facts(0, size, take).await?;
        }
        Ok((key.clone(), verifier.finish()))
    }

    fn of_export(&self, path: &Path, counter: &Counter) -> Result<(VerifierKey, Report), Failure> {
        let key = self.key.as_deref().expect("clap requires a key with an export");
        let key: VerifierKey = source::text(key)?.trim_end().parse().map_err(LedgerError::Key)?;
        let verifier = self.verifier(&key)?;
        let file = File::open(path)
            .map_err(|source| LedgerError::File { path: path.to_owned(), source })?;
        let report = export::verify(&mut BufReader::new(file), verifier, |facts| {
            counter.at(facts);
        });
        Ok((key, report))
    }

    fn verifier<'a>(&self, key: &'a VerifierKey) -> Result<Verifier<'a>, LedgerError> {
        let mut verifier = Verifier::new(key, &|body| seq_of(body));
        for path in &self.against {
            let text = source::text(path)?;
            let outside = verifier.outside(&text);
            outside.map_err(|source| strange(path.clone(), &text, key, source))?;
        }
        Ok(verifier)
    }
}

/// Why a head is none of this ledger: only one that says that it is raises the alarm.
fn strange(path: PathBuf, text: &str, key: &VerifierKey, source: OutsideError) -> LedgerError {
    match Checkpoint::parse(text) {
        Err(source) => LedgerError::NoHead { path, source },
        Ok(head) if head.origin != key.name() => {
            LedgerError::OtherLedger { path, found: head.origin, expected: key.name().to_owned() }
        }
        Ok(_) => LedgerError::Outside { path, source },
    }
}

fn tell(screen: &mut Screen, key: &VerifierKey, report: Report) -> Result<Exit, Failure> {
    let damaged: Vec<String> = report.damaged_snapshots.iter().map(ToString::to_string).collect();
    if screen.is_json() {
        let document = Document {
            holds: report.holds(),
            ledger: key.name().to_owned(),
            facts: report.facts,
            heads: report.heads,
            outside_heads: report.outside_heads,
            head: report.head.map(|head| Newest {
                size: head.size,
                root: json::hex(&head.root),
                at: time::rfc3339(head.at.as_millis()),
            }),
            first_bad: report
                .first_bad
                .as_ref()
                .map(|bad| Bad { place: bad.place.to_string(), what: bad.what.to_string() }),
            snapshots: report.snapshots,
            damaged_snapshots: damaged,
        };
        screen.json(&document)?;
        return Ok(if report.holds() { Exit::OK } else { Exit::FAILED });
    }
    for snapshot in damaged {
        screen.note(format_args!("{snapshot}; it is not needed"));
    }
    if let Some(source) = report.first_bad {
        return Err(LedgerError::Broken { source }.into());
    }
    let outside = match report.outside_heads {
        0 => "no head from outside to compare with".to_owned(),
        1 => "the head from outside agrees".to_owned(),
        heads => format!("{heads} heads from outside agree"),
    };
    screen.line(format_args!(
        "the ledger of {} holds: {}, {}, {outside}",
        key.name(),
        count(report.facts, "fact"),
        count(report.heads, "signed head")
    ))?;
    if let Some(head) = report.head {
        screen.line(format_args!("root {}", json::hex(&head.root)))?;
    }
    Ok(Exit::OK)
}
