//! `repower report`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use repower_model::Timestamp;
use repower_proto::convert;
use repower_store::verify::Verifier;

use super::ledger::{Place, Source, seq_of};
use crate::arguments::{Look, Reach};
use crate::clock;
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::moment::{Moment, MomentError};
use crate::render::quantity::count;
use crate::render::screen::Form;
use crate::render::{Column, Screen, Table, json};
use crate::report::{self, Compliance, Gather, Ledger};

const EXAMPLES: &str = "\
Examples:
  repower report compliance --from 2026-10-01 --to 2026-11-01 -o html > oct.html
  repower report compliance --data /var/lib/repower -o json
The report is made from all facts of the ledger, which are verified on the way;
it says by which signed head. What the ledger does not have is said to be
unknown.";

/// Options of `repower report`.
#[derive(Debug, clap::Args)]
pub struct Report {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// What ran, what was refused, who decided, and what the detector found, for a period
    Compliance(Of),
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Written {
    /// A summary in lines
    #[default]
    Table,
    /// JSON for programs
    Json,
    /// One table for a spreadsheet
    Csv,
    /// A page fit for printing
    Html,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Of {
    /// From when on: 2026-10-01, 2026-10-01T00:00:00+08:00 [default: the first fact]
    #[arg(long, value_name = "WHEN")]
    from: Option<Moment>,
    /// Up to this [default: the last fact]
    #[arg(long, value_name = "WHEN")]
    to: Option<Moment>,
    /// Write the report as `table`, `json`, `csv` or `html` [default: table]
    #[arg(
        long,
        short,
        value_name = "FORM",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    output: Written,
    /// Data folder of a scheduler, instead of asking one; it may be running or not
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Client profile [default: repower/client.toml in the folder for configuration]
    #[arg(long, value_name = "FILE", env = "REPOWER_PROFILE", hide_env_values = true)]
    profile: Option<PathBuf>,
    /// Address of the scheduler, instead of the profile's
    #[arg(long, value_name = "URL", env = "REPOWER_SCHEDULER", hide_env_values = true)]
    scheduler: Option<String>,
}

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error(transparent)]
    Moment(#[from] MomentError),
    #[error("the period ends before it begins")]
    Backwards,
    #[error("fact {seq} is not one that this release knows")]
    Unknown { seq: u64 },
}

impl Explain for ReportError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Moment(_) => "choose a moment of the calendar".to_owned(),
            Self::Backwards => "choose a --to after --from".to_owned(),
            Self::Unknown { .. } => "use the release of the scheduler".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Moment(_) | Self::Backwards => Exit::USAGE,
            Self::Unknown { .. } => Exit::FAILED,
        }
    }
}

impl Report {
    /// The screen that the options ask for.
    pub(super) fn screen(&self) -> Screen {
        let Verb::Compliance(of) = &self.verb;
        let form = if of.output == Written::Json { Form::Json } else { Form::Table };
        Look::of(form).screen()
    }

    /// Makes the report.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let Verb::Compliance(of) = self.verb;
        of.run(screen).await
    }
}

impl Of {
    async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let now = clock::here();
        let at = |moment: Option<Moment>| {
            moment.map(|moment| moment.as_millis(&now).map(Timestamp::from_millis)).transpose()
        };
        let from = at(self.from).map_err(ReportError::Moment)?;
        let to = at(self.to).map_err(ReportError::Moment)?;
        if from.zip(to).is_some_and(|(from, to)| to <= from) {
            return Err(ReportError::Backwards.into());
        }
        let place = Place::of(self.data, Reach::of(self.profile, self.scheduler));
        // A table for a spreadsheet has all that the others cut.
        let is_whole = self.output == Written::Csv;
        let gather = if is_whole { Gather::whole(from, to) } else { Gather::new(from, to) };
        let report = made(&place, screen, gather).await?;
        match self.output {
            Written::Table => lines(screen, &report)?,
            Written::Json => screen.json(&report)?,
            Written::Csv => screen.bytes(report::csv(&report).as_bytes())?,
            Written::Html => screen.bytes(report::page(&report).as_bytes())?,
        }
        Ok(if report.ledger.verified { Exit::OK } else { Exit::FAILED })
    }
}

/// Reads all facts up to the newest head, verifies them, and tells them to the report.
async fn made(
    place: &Place,
    screen: &mut Screen,
    mut gather: Gather,
) -> Result<Compliance, Failure> {
    let source = Source::open(place, screen).await?;
    let (newest, key) = source.newest().await?;
    let mut verifier = Verifier::new(&key, &|body| seq_of(body));
    verifier.stored(&newest);
    let take = |fact: repower_store::journal::StoredEntry| {
        verifier.fact(&fact);
        let entry = convert::decode(&fact.body);
        gather.take(&entry.map_err(|_| ReportError::Unknown { seq: fact.seq })?);
        Ok(ControlFlow::Continue(()))
    };
    if newest.head.size > 0 {
        source.facts(0, newest.head.size, take).await?;
    }
    let found = verifier.finish();
    Ok(gather.finish(Ledger {
        origin: key.name().to_owned(),
        size: newest.head.size,
        root: json::hex(&newest.head.root),
        verified: found.holds() && found.facts == newest.head.size,
        head: newest.note,
        key: key.to_string(),
        made_by: format!("repower {}", env!("CARGO_PKG_VERSION")),
    }))
}

fn lines(screen: &mut Screen, report: &Compliance) -> Result<(), Failure> {
    let ledger = &report.ledger;
    screen.line(format_args!(
        "{}: {}, root {}, {}",
        ledger.origin,
        count(ledger.size, "fact"),
        ledger.root,
        if ledger.verified { "verified" } else { "NOT VERIFIED" }
    ))?;
    let total = |what: &str, count: u64| format!("{what}: {count}");
    let totals = [
        total("jobs", report.jobs.total),
        total("refused", report.refusals.list.total),
        total("decided alone", report.reviews.total),
        total("approvals", report.approvals.total),
        total("findings", report.findings.total),
    ];
    screen.line(totals.join(", "))?;
    screen.line("")?;
    let mut table = Table::new(&[
        Column::cut("CLASS", 12),
        Column::whole("TIER"),
        Column::number("LET IN"),
        Column::number("SUCCEEDED"),
        Column::number("FAILED"),
        Column::number("CANCELLED"),
        Column::number("CPU S"),
    ]);
    for one in &report.classes {
        let numbers = [one.submitted, one.succeeded, one.failed, one.cancelled, one.cpu_seconds];
        let [submitted, succeeded, failed, cancelled, cpu] =
            numbers.map(|number| number.to_string());
        table.row([
            one.class.as_str().into(),
            one.tier.as_str().into(),
            submitted.into(),
            succeeded.into(),
            failed.into(),
            cancelled.into(),
            cpu.into(),
        ]);
    }
    screen.table(&table)?;
    Ok(())
}
