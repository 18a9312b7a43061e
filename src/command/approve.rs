//! `repower approve`, `repower approvals` and `repower unapprove`.

use std::str::FromStr;

use jiff::tz::TimeZone;
use repower_model::Hash;
use repower_proto::v1::{
    Approval, ApproveRequest, ListApprovalsReply, ListApprovalsRequest, ShowJobRequest,
    UnapproveRequest,
};

use super::wait;
use crate::arguments::{Reach, id};
use crate::client::Client;
use crate::clock;
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::moment::{Moment, MomentError};
use crate::render::quantity::count;
use crate::render::{Column, Screen, Table, json, time, words};

const EXAMPLES: &str = "\
Examples:
  repower approve --for class=hash-heavy,project=lab --until +72h -r contract
  repower approve --like 12 --until 2026-12-31 --reason 'read the script'
Jobs that are covered need no review of their own; those that wait for one go.
A job that has not started when the approval ends waits for a review again.";

/// Options of `repower approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Approve {
    /// Which jobs: class=CLASS, and if wanted project=PROJECT and digest=SHA256 of what they run
    #[arg(long = "for", value_name = "SCOPE", required_unless_present = "like")]
    scope: Option<Scope>,
    /// Jobs of the class and project of this one that run the very same
    #[arg(long, value_name = "JOB", value_parser = wait::job, conflicts_with = "scope")]
    like: Option<u64>,
    /// Up to this: +720h, 2026-12-31, 2026-05-01T18:30:00+08:00
    #[arg(long, value_name = "WHEN")]
    until: Moment,
    /// Why; it is kept in the ledger under your name
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Options of `repower approvals`.
#[derive(Debug, clap::Args)]
pub struct Approvals {
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Options of `repower unapprove`.
#[derive(Debug, clap::Args)]
pub struct Unapprove {
    /// Number of the approval
    #[arg(value_name = "APPROVAL", value_parser = id)]
    id: u64,
    /// Why; it is kept in the ledger under your name
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Which jobs an approval is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Scope {
    class: String,
    project: String,
    content: Option<Hash>,
}

/// A text that names no jobs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ScopeError {
    #[error("it names no class: write class=CLASS")]
    NoClass,
    #[error("`{0}` is not one of class=.., project=.. and digest=..")]
    Unknown(String),
    #[error("`{0}` is given twice")]
    Twice(String),
    #[error("the digest is not 64 hexadecimal digits")]
    Digest,
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut scope = Self::default();
        for part in text.split(',') {
            let unknown = || ScopeError::Unknown(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(unknown)?;
            let value = value.trim();
            let field = match key.trim() {
                "class" => &mut scope.class,
                "project" => &mut scope.project,
                "digest" => {
                    if scope.content.is_some() {
                        return Err(ScopeError::Twice(key.to_owned()));
                    }
                    scope.content = Some(Hash::from_hex(value).ok_or(ScopeError::Digest)?);
                    continue;
                }
                _ => return Err(unknown()),
            };
            if value.is_empty() {
                return Err(unknown());
            }
            if !field.is_empty() {
                return Err(ScopeError::Twice(key.to_owned()));
            }
            value.clone_into(field);
        }
        if scope.class.is_empty() { Err(ScopeError::NoClass) } else { Ok(scope) }
    }
}

/// An approval that cannot be asked for.
#[derive(Debug, thiserror::Error)]
enum ApproveError {
    #[error(transparent)]
    Moment(#[from] MomentError),
    #[error(
        "nobody knows what job {job} runs: an input of it comes from elsewhere without a digest"
    )]
    Unknown { job: u64 },
}

impl Explain for ApproveError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Moment(_) => "choose a moment sooner than that".to_owned(),
            Self::Unknown { job } => {
                format!("decide on it alone: `repower review {job} --approve --reason WHY`")
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Moment(_) => Exit::USAGE,
            Self::Unknown { .. } => Exit::FAILED,
        }
    }
}

impl Approve {
    /// Approves jobs of a kind.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let until = self.until.as_millis(&clock::here()).map_err(ApproveError::Moment)?;
        let client = self.reach.connect(screen).await?;
        let scope = match (self.scope, self.like) {
            (Some(scope), _) => scope,
            (None, Some(job)) => like(&client, job).await?,
            (None, None) => Scope::default(),
        };
        let request = ApproveRequest {
            job_class: scope.class,
            project: scope.project,
            content: scope.content.map(|content| content.0.to_vec()).unwrap_or_default(),
            until_ms: until,
            reason: self.reason,
        };
        let reply = client.policies().approve(request).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        let given = reply.approval.unwrap_or_default();
        if screen.is_json() {
            screen.json(&json::Approval::from(&given))?;
        } else if screen.is_quiet() {
            screen.line(given.id)?;
        } else {
            let until = time::calendar(given.until_ms, &TimeZone::system());
            screen.line(format_args!("approval {}: {} until {until}", given.id, kind(&given)))?;
            if reply.jobs > 0 {
                let jobs = count(reply.jobs, "job");
                screen.line(format_args!("{jobs} that waited for a review can go"))?;
            }
        }
        Ok(Exit::OK)
    }
}

/// What jobs like one are.
async fn like(client: &Client, job: u64) -> Result<Scope, Failure> {
    let reply = client.jobs().show(ShowJobRequest { job }).await;
    let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
    let summary = reply.summary.unwrap_or_default();
    let content = Hash::from_hex(&reply.content).ok_or(ApproveError::Unknown { job })?;
    Ok(Scope { class: summary.job_class, project: summary.project, content: Some(content) })
}

impl Approvals {
    /// Lists the approvals that have not ended.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.policies().approvals(ListApprovalsRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        show(screen, &reply, &TimeZone::system())?;
        Ok(Exit::OK)
    }
}

impl Unapprove {
    /// Ends the approval.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = UnapproveRequest { id: self.id, reason: self.reason };
        let reply = client.policies().unapprove(request).await;
        let ended = reply.map_err(|status| client.refused(&status))?.into_inner();
        if screen.is_json() {
            screen.json(&json::Approval::from(&ended))?;
        } else if !screen.is_quiet() {
            screen.line(format_args!("approval {} has ended", ended.id))?;
            screen.line("jobs that rest on it and have not started wait for a review again")?;
        }
        Ok(Exit::OK)
    }
}

/// What an approval is for, in words.
fn kind(one: &Approval) -> String {
    let project = if one.project.is_empty() {
        String::new()
    } else {
        format!(" of project {}", words::tame(&one.project))
    };
    let content = json::hex(&one.content);
    let content = content.get(..12).map(|short| format!(" that run {short}…")).unwrap_or_default();
    format!("{} jobs{project}{content}", words::tame(&one.job_class))
}

fn show(screen: &mut Screen, reply: &ListApprovalsReply, zone: &TimeZone) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Approvals::from(reply))?);
    }
    if screen.is_quiet() {
        for one in &reply.approvals {
            screen.line(one.id)?;
        }
        return Ok(());
    }
    if reply.approvals.is_empty() {
        screen.note("no approvals");
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::number("ID"),
        Column::cut("FOR", 16),
        Column::whole("UNTIL"),
        Column::number("JOBS"),
        Column::cut("REASON", 12),
    ]);
    for one in &reply.approvals {
        table.row([
            one.id.to_string().into(),
            kind(one).into(),
            time::calendar(one.until_ms, zone).into(),
            one.jobs.to_string().into(),
            format!("{}: {}", one.by, one.reason).into(),
        ]);
    }
    Ok(screen.table(&table)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::page;

    #[test]
    fn a_scope_names_a_class_and_no_part_twice() {
        let digest = "ab".repeat(32);
        let scope: Scope = format!("class=hash-heavy,project=a b,digest={digest}").parse().unwrap();

        assert_eq!((scope.class.as_str(), scope.project.as_str()), ("hash-heavy", "a b"));
        assert_eq!(scope.content.map(|content| content.to_string()), Some(digest));
        assert_eq!("project=x".parse::<Scope>(), Err(ScopeError::NoClass));
        assert_eq!("class=a,digest=ab".parse::<Scope>(), Err(ScopeError::Digest));
        assert_eq!("class=a,class=b".parse::<Scope>(), Err(ScopeError::Twice("class".into())));
        assert_eq!("class=a,x=b".parse::<Scope>(), Err(ScopeError::Unknown("x=b".into())));
        assert_eq!("class=".parse::<Scope>(), Err(ScopeError::Unknown("class=".into())));
    }

    #[test]
    fn a_list_of_approvals_fits_eighty_columns() {
        let one = Approval {
            id: 3,
            job_class: "hash-heavy".into(),
            project: "archive".into(),
            until_ms: 1_777_633_200_000,
            by: "op".into(),
            reason: "deduplication of the archive, contract 7".into(),
            jobs: 2,
            content: Vec::new(),
        };
        let other =
            Approval { id: 12, content: vec![0xab; 32], project: String::new(), ..one.clone() };
        let reply = ListApprovalsReply { approvals: vec![one, other] };

        let shown = page(Form::Table, |screen| show(screen, &reply, &TimeZone::UTC));

        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("2026-05-01 11:00:00"), "{shown}");
    }
}
