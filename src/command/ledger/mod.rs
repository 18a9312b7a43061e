//! `repower ledger`: what an auditor asks, of a scheduler or of a data folder.

mod error;
mod export;
mod heads;
mod prove;
mod source;
mod verify;

pub(super) use source::{Source, seq_of};

use crate::arguments::{Look, Reach};
use crate::failure::{Exit, Failure};
use crate::render::Screen;

/// Options of `repower ledger`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A ledger that verifies was not changed since its heads were signed. Whoever has
the signing key can still rewrite all of it, unless somebody else holds a head:
  repower ledger head > head.txt
  repower ledger verify --against head.txt")]
pub struct Ledger {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check that no fact was changed, removed, swapped or cut off
    Verify(verify::Verify),
    /// Print the newest signed head, to keep outside
    Head(heads::Newest),
    /// List the signed heads that were kept
    Heads(heads::Heads),
    /// Prove that a fact is in the ledger, or that the ledger only grew
    Prove(prove::Prove),
    /// Print the facts, one line of JSON each, and the head over them
    Export(export::Export),
}

/// Where the ledger is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Data folder of a scheduler, instead of asking one; it may be running or not
    #[arg(long, value_name = "FOLDER")]
    data: Option<std::path::PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

impl Place {
    /// A data folder, or else a scheduler.
    pub(super) fn of(data: Option<std::path::PathBuf>, reach: Reach) -> Self {
        Self { data, reach }
    }
}

impl Ledger {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        let place = match &self.verb {
            Verb::Verify(verify) => &verify.place,
            Verb::Head(head) => &head.place,
            Verb::Heads(heads) => &heads.place,
            Verb::Prove(prove) => &prove.place,
            Verb::Export(export) => &export.place,
        };
        place.reach.look()
    }

    /// Does what the verb says.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Verify(verify) => verify.run(screen).await,
            Verb::Head(head) => head.run(screen).await,
            Verb::Heads(heads) => heads.run(screen).await,
            Verb::Prove(prove) => prove.run(screen).await,
            Verb::Export(export) => export.run(screen).await,
        }
    }
}
