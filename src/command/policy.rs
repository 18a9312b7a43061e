//! `repower policy`: one verb a file.

mod apply;
mod check;
mod diff;
mod error;
mod file;
mod show;

use crate::arguments::Look;
use crate::failure::{Exit, Failure};
use crate::render::Screen;

/// Options of `repower policy`.
#[derive(Debug, clap::Args)]
pub struct Policy {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the policy in force: which classes of work there are, and how each is treated
    Show(show::Show),
    /// Check a policy file without adopting it
    Check(check::Check),
    /// Tell what a policy file says otherwise than the policy in force
    Diff(diff::Diff),
    /// Put a policy file in force; what was decided stays decided
    Apply(apply::Apply),
}

impl Policy {
    /// Returns how to show the result.
    pub(super) fn look(&self) -> &Look {
        match &self.verb {
            Verb::Show(show) => show.reach.look(),
            Verb::Check(check) => &check.look,
            Verb::Diff(diff) => diff.reach.look(),
            Verb::Apply(apply) => apply.reach.look(),
        }
    }

    /// Does what the verb says.
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Show(show) => super::asking(show.run(screen)),
            Verb::Check(check) => check.run(screen),
            Verb::Diff(diff) => super::asking(diff.run(screen)),
            Verb::Apply(apply) => super::asking(apply.run(screen)),
        }
    }
}
