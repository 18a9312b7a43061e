//! `repower ledger head` and `repower ledger heads`.

use repower_store::checkpoint::Checkpoint;
use repower_store::journal::SignedHead;
use serde::Serialize;

use super::Place;
use super::error::LedgerError;
use super::source::Source;
use crate::failure::{Exit, Failure};
use crate::render::{Column, Screen, Table, json, time};

#[derive(Debug, clap::Args)]
pub(super) struct Newest {
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, clap::Args)]
pub(super) struct Heads {
    /// At most so many, newest first
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    pub(super) place: Place,
}

/// A head as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    size: u64,
    root: String,
    at: Option<String>,
    note: String,
}

#[derive(Serialize)]
struct Keyed {
    #[serde(flatten)]
    head: Document,
    verifier_key: String,
}

#[derive(Serialize)]
struct List {
    heads: Vec<Document>,
}

impl From<&SignedHead> for Document {
    fn from(head: &SignedHead) -> Self {
        Self {
            size: head.head.size,
            root: json::hex(&head.head.root),
            at: time::rfc3339(head.head.at.as_millis()),
            note: head.note.clone(),
        }
    }
}

impl Newest {
    /// Prints the note and nothing else, so that it can be kept as it is.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let source = Source::open(&self.place, screen).await?;
        let (head, key) = source.newest().await?;
        Checkpoint::open(&head.note, &key).map_err(LedgerError::from)?;
        if screen.is_json() {
            screen.json(&Keyed { head: Document::from(&head), verifier_key: key.to_string() })?;
        } else {
            screen.bytes(head.note.as_bytes())?;
            screen.note(format_args!(
                "signed by {}; keep it where the operator cannot reach it",
                key.name()
            ));
        }
        Ok(Exit::OK)
    }
}

impl Heads {
    /// Lists heads, newest first.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let source = Source::open(&self.place, screen).await?;
        let heads = source.heads(self.limit, None).await?;
        if screen.is_json() {
            screen.json(&List { heads: heads.iter().map(Document::from).collect() })?;
            return Ok(Exit::OK);
        }
        let mut table =
            Table::new(&[Column::number("FACTS"), Column::whole("AT"), Column::cut("ROOT", 16)]);
        for head in &heads {
            let at = time::rfc3339(head.head.at.as_millis()).unwrap_or_default();
            table.row([
                head.head.size.to_string().into(),
                at.into(),
                json::hex(&head.head.root).into(),
            ]);
        }
        if table.is_empty() {
            screen.note("no heads yet");
        } else {
            screen.table(&table)?;
        }
        Ok(Exit::OK)
    }
}
