//! `repower ledger prove`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use repower_store::checkpoint::Checkpoint;
use repower_store::merkle::{self, Hash};
use repower_store::note::VerifierKey;
use serde::Serialize;

use super::Place;
use super::error::LedgerError;
use super::source::{self, Source, seq_of};
use crate::failure::{Exit, Failure};
use crate::render::{Screen, json};

#[derive(Debug, clap::Args)]
pub(super) struct Prove {
    /// Number of the fact to prove to be there
    #[arg(
        value_name = "SEQ",
        required_unless_present = "consistency",
        conflicts_with = "consistency"
    )]
    seq: Option<u64>,
    /// File with a head that was kept outside: prove that the ledger has only grown since
    #[arg(long, value_name = "HEADFILE")]
    consistency: Option<PathBuf>,
    /// File with the public key of the ledger, kept outside [default: as the ledger says]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Serialize)]
struct Inclusion {
    seq: u64,
    body: String,
    leaf: String,
    size: u64,
    hashes: Vec<String>,
    head: String,
    verifier_key: String,
}

#[derive(Serialize)]
struct Consistency {
    old_size: u64,
    new_size: u64,
    hashes: Vec<String>,
    old_head: String,
    head: String,
    verifier_key: String,
}

impl Prove {
    /// Gets the proof, checks it here, and prints it.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let source = Source::open(&self.place, screen).await?;
        let (newest, key) = source.newest().await?;
        let key = kept_key(self.key.as_deref(), key)?;
        let head = Checkpoint::open(&newest.note, &key).map_err(LedgerError::from)?;
        match (self.seq, &self.consistency) {
            (Some(seq), _) => inclusion(screen, &source, seq, &head, &newest.note, &key).await,
            (None, Some(old)) => {
                let note = source::text(old)?;
                let wrong = |source| LedgerError::Outside { path: old.clone(), source };
                let old = Checkpoint::open(&note, &key).map_err(|error| wrong(error.into()))?;
                consistency(screen, &source, (&old, note), (&head, newest.note), &key).await
            }
            (None, None) => unreachable!("clap requires one of them"),
        }
    }
}

/// Returns the key that was kept outside, if it is that of the ledger.
pub(super) fn kept_key(
    kept: Option<&std::path::Path>,
    said: VerifierKey,
) -> Result<VerifierKey, LedgerError> {
    let Some(path) = kept else { return Ok(said) };
    let key: VerifierKey = source::text(path)?.trim_end().parse()?;
    if key == said { Ok(key) } else { Err(LedgerError::OtherKey) }
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| json::hex(hash)).collect()
}

async fn inclusion(
    screen: &mut Screen,
    source: &Source,
    seq: u64,
    head: &Checkpoint,
    note: &str,
    key: &VerifierKey,
) -> Result<Exit, Failure> {
    if seq >= head.size {
        return Err(LedgerError::Beyond { seq, size: head.size }.into());
    }
    let (fact, path) = source.inclusion(seq, head.size).await?;
    // From the bytes of the fact, not from the leaf that came with them.
    let leaf = merkle::leaf(&fact.body);
    let proven = merkle::verify_inclusion(&leaf, seq, head.size, &path, &head.root);
    proven.map_err(|source| LedgerError::Proof { source })?;
    if seq_of(&fact.body) != Some(seq) {
        return Err(LedgerError::Lacks { what: "right fact" }.into());
    }
    if screen.is_json() {
        screen.json(&Inclusion {
            seq,
            body: STANDARD.encode(&fact.body),
            leaf: json::hex(&leaf),
            size: head.size,
            hashes: hexes(&path),
            head: note.to_owned(),
            verifier_key: key.to_string(),
        })?;
        return Ok(Exit::OK);
    }
    screen.line(format_args!(
        "fact {seq} is in the ledger of {}: its {} hashes lead to the signed root of {} facts",
        head.origin,
        path.len(),
        head.size
    ))?;
    screen.line(super::export::decoded(&fact.body))?;
    Ok(Exit::OK)
}

async fn consistency(
    screen: &mut Screen,
    source: &Source,
    (old, old_note): (&Checkpoint, String),
    (head, note): (&Checkpoint, String),
    key: &VerifierKey,
) -> Result<Exit, Failure> {
    let path = if old.size <= head.size {
        source.consistency(old.size, head.size).await?
    } else {
        Vec::new()
    };
    let proven = merkle::verify_consistency((old.size, &old.root), (head.size, &head.root), &path);
    proven.map_err(|source| LedgerError::Proof { source })?;
    if screen.is_json() {
        screen.json(&Consistency {
            old_size: old.size,
            new_size: head.size,
            hashes: hexes(&path),
            old_head: old_note,
            head: note,
            verifier_key: key.to_string(),
        })?;
    } else {
        screen.line(format_args!(
            "the ledger of {} has only grown: its first {} facts are those of the kept head, and it has {} now",
            head.origin, old.size, head.size
        ))?;
    }
    Ok(Exit::OK)
}
