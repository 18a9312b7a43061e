//! `repower findings` and `repower quarantine`.

mod evidence;
mod follow;
mod page;
mod quarantine;

use jiff::tz::TimeZone;
use repower_proto::v1::{
    DecideFindingRequest, FindingReply, FindingState, ListFindingsRequest, ShowFindingRequest,
};

use crate::arguments::{Reach, id};
use crate::client::Client;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::{Screen, json, words};

pub use quarantine::Quarantine;

const EXAMPLES: &str = "\
Examples:
  repower findings
  repower findings show 3
  repower findings dismiss 3 --reason 'interval arithmetic, as it says'
  repower findings confirm 3 --reason 'hashes, and no results'
  repower findings --follow -o json
A finding is evidence that a job is not what it declares. Dismissed, its task
goes on and its outputs can be fetched; confirmed, it ends as failed and jobs
that bring or run its own programs are refused.";

/// Options of `repower findings`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Findings {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show all of a finding
    Show(One),
    /// Say that you look at it
    Review(Decide),
    /// It is what it looks like: end its task, and forbid its own programs
    Confirm(Confirm),
    /// It is not: let its task go on, and its outputs be fetched
    Dismiss(Decide),
    /// Disagree with a confirmed finding, so that somebody looks again
    Appeal(Decide),
    /// Print what was seen, or write it to a file
    Evidence(evidence::Evidence),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those that somebody has decided
    #[arg(long, short)]
    all: bool,
    /// Only about this job
    #[arg(long, value_name = "JOB", value_parser = id)]
    job: Option<u64>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on, and print what is opened, seen again or decided
    #[arg(long, short, conflicts_with_all = ["all", "limit"])]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Number of the finding
    #[arg(value_name = "FINDING", value_parser = id)]
    id: u64,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct Decide {
    /// Number of the finding
    #[arg(value_name = "FINDING", value_parser = id)]
    id: u64,
    /// Why, for the ledger
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
struct Confirm {
    #[command(flatten)]
    decide: Decide,
    /// Leave its programs out of quarantine
    #[arg(long)]
    no_quarantine: bool,
}

impl Findings {
    /// Returns the options about scheduler and output.
    pub(super) fn reach(&self) -> &Reach {
        match &self.verb {
            None => &self.list.reach,
            Some(Verb::Show(one)) => &one.reach,
            Some(Verb::Review(decide) | Verb::Dismiss(decide) | Verb::Appeal(decide)) => {
                &decide.reach
            }
            Some(Verb::Confirm(confirm)) => &confirm.decide.reach,
            Some(Verb::Evidence(evidence)) => &evidence.reach,
        }
    }

    /// Does what the verb says; without one, lists.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach().connect(screen).await?;
        match self.verb {
            None if self.list.follow => {
                follow::follow(&client, screen, self.list.job.unwrap_or(0)).await?;
            }
            None => list(&client, screen, &self.list).await?,
            Some(Verb::Show(one)) => {
                let reply = find(&client, one.id).await?;
                page::show(screen, &reply, &TimeZone::system())?;
            }
            Some(Verb::Review(asked)) => {
                decide(&client, screen, &asked, FindingState::UnderReview, false).await?;
            }
            Some(Verb::Dismiss(asked)) => {
                decide(&client, screen, &asked, FindingState::Dismissed, false).await?;
            }
            Some(Verb::Appeal(asked)) => {
                decide(&client, screen, &asked, FindingState::Appealed, false).await?;
            }
            Some(Verb::Confirm(asked)) => {
                let left_out = asked.no_quarantine;
                decide(&client, screen, &asked.decide, FindingState::Confirmed, left_out).await?;
            }
            Some(Verb::Evidence(asked)) => asked.run(&client, screen).await?,
        }
        Ok(Exit::OK)
    }
}

async fn find(client: &Client, finding: u64) -> Result<FindingReply, Failure> {
    let reply = client.findings().show(ShowFindingRequest { finding }).await;
    Ok(reply.map_err(|status| client.refused(&status))?.into_inner())
}

async fn list(client: &Client, screen: &mut Screen, asked: &List) -> Result<(), Failure> {
    let request = ListFindingsRequest {
        states: Vec::new(),
        job: asked.job.unwrap_or(0),
        before: 0,
        limit: asked.limit,
        all: asked.all,
    };
    let reply = client.findings().list(request).await;
    let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
    page::list(screen, &reply, clock::now_ms())
}

async fn decide(
    client: &Client,
    screen: &mut Screen,
    asked: &Decide,
    state: FindingState,
    no_quarantine: bool,
) -> Result<(), Failure> {
    let (finding, reason) = (asked.id, asked.reason.clone());
    let request = DecideFindingRequest { finding, state: state.into(), reason, no_quarantine };
    let reply = client.findings().decide(request).await;
    let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
    if screen.is_json() {
        return Ok(screen.json(&json::Finding::from(&reply))?);
    }
    if screen.is_quiet() {
        return Ok(());
    }
    let follows = page::follows(&reply);
    Ok(screen
        .sentence(format_args!("finding {finding} is {}{follows}", words::finding_state(state)))?)
}
