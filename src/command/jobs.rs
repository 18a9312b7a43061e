//! `repower jobs`.

use repower_proto::v1::{JobState, JobSummary, ListJobsReply, ListJobsRequest};

use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::json::{self, reason};
use crate::render::{Cell, Column, Screen, Table, claims, time, words};

/// Options of `repower jobs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --all or --state, jobs that have not ended are listed.")]
pub struct Jobs {
    /// Only jobs in these states
    #[arg(long, short, value_delimiter = ',', value_enum)]
    state: Vec<State>,
    /// Also jobs that have ended
    #[arg(long, short, conflicts_with = "state")]
    all: bool,
    /// Only jobs of this project
    #[arg(long, default_value = "", hide_default_value = true)]
    project: String,
    /// Only jobs of this class
    #[arg(long, short, default_value = "", hide_default_value = true)]
    class: String,
    /// Only jobs with this in their name
    #[arg(long, value_name = "PART", default_value = "", hide_default_value = true)]
    name: String,
    /// Only jobs with a lower number, to go on from a list before
    #[arg(long, value_name = "JOB", default_value_t = 0, hide_default_value = true)]
    before: u64,
    /// At most so many, 1 to 10000
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Where a job may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Held,
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Held => Self::Held,
            State::Pending => Self::Pending,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl Jobs {
    /// Lists the jobs that the filters leave.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = ListJobsRequest {
            states: self.state.iter().map(|state| JobState::from(*state).into()).collect(),
            project: self.project,
            job_class: self.class,
            name_contains: self.name,
            before: self.before,
            limit: self.limit,
            all: self.all,
        };
        let live_only = !self.all && self.state.is_empty();
        let reply = client
            .jobs()
            .list(request)
            .await
            .map_err(|status| client.refused(&status))?
            .into_inner();
        show(screen, &reply, live_only, clock::now_ms())?;
        Ok(Exit::OK)
    }
}

fn show(
    screen: &mut Screen,
    reply: &ListJobsReply,
    live_only: bool,
    now_ms: i64,
) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Jobs::from(reply))?);
    }
    if screen.is_quiet() {
        for job in &reply.jobs {
            screen.line(job.id)?;
        }
        return Ok(());
    }
    if reply.jobs.is_empty() {
        let hint =
            if live_only { "; `repower jobs --all` lists those that have ended" } else { "" };
        screen.note(format_args!("no jobs{hint}"));
        return Ok(());
    }
    screen.table(&table(&reply.jobs, now_ms))?;
    if reply.more
        && let Some(last) = reply.jobs.last()
    {
        screen.note(format_args!(
            "there are more; `--before {}` goes on, `--limit` lists more at once",
            last.id
        ));
    }
    Ok(())
}

fn table(jobs: &[JobSummary], now_ms: i64) -> Table {
    let mut table = Table::new(&[
        Column::number("ID"),
        Column::cut("NAME", 12),
        Column::cut("CLASS", 14),
        Column::whole("STATE"),
        Column::number("TASKS"),
        Column::number("TIME"),
        Column::cut("REASON", 12),
    ]);
    for job in jobs {
        table.row([
            job.id.to_string().into(),
            job.name.as_str().into(),
            job.job_class.as_str().into(),
            Cell::tinted(words::job_state(job.state()), words::job_tint(job.state())),
            format!("{}/{}", job.succeeded + job.failed + job.cancelled, job.tasks).into(),
            taken(job, now_ms).into(),
            remark(job).into(),
        ]);
    }
    table
}

/// Returns how long a job has waited, has run, or took.
pub(super) fn taken(job: &JobSummary, now_ms: i64) -> String {
    let from = if job.started_ms == 0 { job.submitted_ms } else { job.started_ms };
    time::between(from, if job.ended_ms == 0 { now_ms } else { job.ended_ms })
}

/// Returns what is most worth knowing about a job where it is.
fn remark(job: &JobSummary) -> String {
    let failed = || {
        if job.failed == 0 { String::new() } else { format!("{} failed", job.failed) }
    };
    match job.state() {
        JobState::Unspecified | JobState::Held | JobState::Pending => {
            reason(job).unwrap_or_default()
        }
        JobState::Running if job.failed == 0 => {
            let claimed = job.progress.as_ref().and_then(claims::brief);
            let claimed = claimed.map(|brief| format!(", claims {brief}"));
            format!("{} running{}", job.running, claimed.unwrap_or_default())
        }
        JobState::Running => format!("{} running, {}", job.running, failed()),
        JobState::Failed if !job.failure.is_empty() => format!("{}, {}", failed(), job.failure),
        JobState::Failed => format!("{}, exit {}", failed(), job.exit_code),
        JobState::Succeeded => String::new(),
        JobState::Cancelled => reason(job).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Vec<JobSummary> {
        let job = |id, name: &str, class: &str, state: JobState| JobSummary {
            id,
            name: name.into(),
            job_class: class.into(),
            state: state.into(),
            tasks: 1,
            submitted_ms: 1000,
            ..JobSummary::default()
        };
        vec![
            JobSummary {
                reason_code: "resources.busy".into(),
                reason: "3 nodes could hold a task, but the most memory free on any is 2 GiB"
                    .into(),
                ..job(1042, "fold-1042-of-the-large-protein", "sci-simulation", JobState::Pending)
            },
            JobSummary {
                tasks: 1_000_000,
                succeeded: 249_998,
                failed: 2,
                running: 512,
                started_ms: 61_000,
                ..job(1041, "sweep", "ai-training", JobState::Running)
            },
            JobSummary {
                failed: 1,
                exit_code: 3,
                started_ms: 2000,
                ended_ms: 5250,
                ..job(7, "argon", "sci-simulation", JobState::Failed)
            },
        ]
    }

    #[test]
    fn a_list_fits_eighty_columns() {
        let lines = table(&jobs(), 7_591_000).lines(Some(80), false);

        assert_eq!(
            lines.join("\n"),
            "\
\x20 ID  NAME          CLASS           STATE             TASKS   TIME  REASON
1042  fold-1042-o…  sci-simulation  pending             0/1  2h06m  3 nodes cou…
1041  sweep         ai-training     running  250000/1000000  2h05m  512 running…
\x20  7  argon         sci-simulation  failed              1/1   3.2s  1 failed, e…"
        );
    }

    #[test]
    fn nothing_is_cut_where_there_is_no_terminal() {
        let lines = table(&jobs(), 7_591_000).lines(None, false);

        assert!(lines[1].ends_with("but the most memory free on any is 2 GiB"), "{}", lines[1]);
        assert!(lines[2].ends_with("512 running, 2 failed"), "{}", lines[2]);
    }
}
