//! `repower show`.

mod asked;
mod files;
mod steps;

use jiff::tz::TimeZone;
use repower_proto::v1::{
    AttemptsReply, AttemptsRequest, JobSpec, JobState, JobSummary, Outcome, OutputsReply,
    OutputsRequest, RankSummary, ShowJobReply, ShowJobRequest, TaskState, TaskSummary, Usage,
};

use crate::arguments::Reach;
use crate::client::Client;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::jobfile::array;
use crate::jobfile::reference::Reference;
use crate::render::json::{self, reason};
use crate::render::quantity::{bytes, count};
use crate::render::{Cell, Column, Screen, Table, claims, table::cut, time, words};

/// Attempts that are shown of a job with few tasks.
const FEW: u32 = 12;

/// On a terminal a field takes so many lines at most.
const FIELD_LINES: usize = 4;

/// Options of `repower show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Job, or one of its tasks: 12, 12.3
    #[arg(value_name = "JOB")]
    what: Reference,
    /// List the attempts of tasks whose latest attempt failed
    #[arg(long)]
    failed: bool,
    /// List attempts, at most so many
    #[arg(long, short = 'n', value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    attempts: Option<u32>,
    /// Leave out so many attempts at the start of the list
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    offset: u32,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Show {
    /// Shows the job, or a list of attempts if one was asked for.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let job = self.what.job;
        let list = self.what.index.is_some() || self.failed || self.attempts.is_some();
        let request = AttemptsRequest {
            job,
            index: self.what.index,
            failed: self.failed,
            offset: self.offset,
            limit: self.attempts.unwrap_or(if list { 1000 } else { FEW }),
        };
        if list {
            let reply =
                client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
            attempts(screen, &only(reply.into_inner(), self.what.attempt))?;
            return Ok(Exit::OK);
        }
        let reply = client
            .jobs()
            .show(ShowJobRequest { job })
            .await
            .map_err(|status| client.refused(&status))?;
        let reply = reply.into_inner();
        let outputs = outputs(&client, screen, job, &reply).await?;
        if screen.is_json() {
            screen.json(&json::JobDetail::from(&reply).with_outputs(&outputs))?;
            return Ok(Exit::OK);
        }
        let tasks = reply.summary.as_ref().map_or(0, |summary| summary.tasks);
        let few = if tasks <= u64::from(FEW) {
            let few =
                client.jobs().attempts(request).await.map_err(|status| client.refused(&status))?;
            few.into_inner().attempts
        } else {
            Vec::new()
        };
        detail(screen, &reply, &few, (&TimeZone::system(), clock::now_ms()))?;
        files::show(screen, &reply, &outputs)?;
        Ok(Exit::OK)
    }
}

/// What was brought back of a job that asks for it: of its first processes.
async fn outputs(
    client: &Client,
    screen: &mut Screen,
    job: u64,
    reply: &ShowJobReply,
) -> Result<OutputsReply, Failure> {
    if reply.spec.as_ref().is_none_or(|spec| spec.outputs.is_empty()) {
        return Ok(OutputsReply::default());
    }
    let request = OutputsRequest { job, limit: files::PROCESSES, ..OutputsRequest::default() };
    match client.jobs().outputs(request).await {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) => {
            let refused = client.refused(&status);
            if refused.stable_code() != Some("finding.outputs-held") {
                return Err(refused.into());
            }
            screen.note(refused.sentence());
            Ok(OutputsReply::default())
        }
    }
}

fn only(reply: AttemptsReply, attempt: Option<u32>) -> AttemptsReply {
    let wanted = |task: &TaskSummary| attempt.is_none_or(|attempt| task.attempt == attempt);
    AttemptsReply { attempts: reply.attempts.into_iter().filter(wanted).collect(), ..reply }
}

fn attempts(screen: &mut Screen, reply: &AttemptsReply) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::TaskList::from(reply))?);
    }
    if screen.is_quiet() {
        for task in &reply.attempts {
            screen.line(format_args!("{}.{}#{}", task.job, task.index, task.attempt))?;
        }
        return Ok(());
    }
    if reply.attempts.is_empty() {
        screen.note("no attempts");
        return Ok(());
    }
    let now_ms = clock::now_ms();
    screen.table(&attempts_table(&reply.attempts, now_ms))?;
    for task in reply.attempts.iter().filter(|task| !task.ranks.is_empty()) {
        screen.line("")?;
        screen.table(&ranks_table(task, now_ms))?;
    }
    let zone = TimeZone::system();
    let told = reply.attempts.iter().flat_map(|task| steps::steps(task, &zone));
    let told = told.chain(steps::checkpoints(&reply.attempts));
    let told = told.chain(reply.remarks.iter().map(words::remark));
    let told: Vec<String> = told.chain(claims::lines(&reply.attempts, (&zone, now_ms))).collect();
    if !told.is_empty() {
        screen.line("")?;
    }
    for line in told {
        screen.sentence(line)?;
    }
    if reply.more {
        screen.note("there are more; --offset goes on, --attempts lists more at once");
    }
    Ok(())
}

/// Returns attempts as a table.
pub(super) fn attempts_table(attempts: &[TaskSummary], now_ms: i64) -> Table {
    let row = |task: &TaskSummary| Row {
        id: format!("{}.{}#{}", task.job, task.index, task.attempt),
        state: task.state(),
        node: task.node.clone(),
        times: (task.started_ms, task.ended_ms),
        usage: task.usage,
        outcome: task.outcome.clone(),
    };
    table_of("ATTEMPT", attempts.iter().map(row), now_ms)
}

/// Returns the ranks of an attempt of a gang as a table.
fn ranks_table(task: &TaskSummary, now_ms: i64) -> Table {
    let row = |rank: &RankSummary| Row {
        id: format!("{}.{}#{}/{}", task.job, task.index, task.attempt, rank.rank),
        state: rank.state(),
        node: rank.node.clone(),
        times: (rank.started_ms, rank.ended_ms),
        usage: rank.usage,
        outcome: rank.outcome.clone(),
    };
    table_of("RANK", task.ranks.iter().map(row), now_ms)
}

/// An attempt, or a rank of one.
struct Row {
    id: String,
    state: TaskState,
    node: String,
    /// When it started and when it ended; 0: it has not.
    times: (i64, i64),
    usage: Option<Usage>,
    outcome: Option<Outcome>,
}

fn table_of(title: &'static str, rows: impl Iterator<Item = Row>, now_ms: i64) -> Table {
    let mut table = Table::new(&[
        Column::whole(title),
        Column::whole("STATE"),
        Column::cut("NODE", 6),
        Column::number("TIME"),
        Column::number("CPU"),
        Column::number("MEMORY"),
        Column::cut("OUTCOME", 12),
    ]);
    for row in rows {
        let used = |show: &dyn Fn(&Usage) -> String| row.usage.as_ref().map_or("-".into(), show);
        table.row([
            row.id.as_str().into(),
            Cell::tinted(words::task_state(row.state), words::task_tint(row.state)),
            row.node.as_str().into(),
            took(row.times.0, row.times.1, now_ms).into(),
            used(&|usage| time::span(usage.cpu_us / 1000)).into(),
            used(&|usage| peak(usage.peak_memory_bytes)).into(),
            row.outcome.as_ref().map(words::outcome).unwrap_or_default().into(),
        ]);
    }
    table
}

/// The most memory; `-` if nobody knows.
fn peak(most: u64) -> String {
    if most == 0 { "-".to_owned() } else { bytes(most) }
}

/// How long something ran, or has been running; `-` if it never did.
fn took(started_ms: i64, ended_ms: i64, now_ms: i64) -> String {
    match (started_ms, ended_ms) {
        (0, _) => "-".to_owned(),
        (started, 0) => time::between(started, now_ms),
        (started, ended) => time::between(started, ended),
    }
}

fn detail(
    screen: &mut Screen,
    reply: &ShowJobReply,
    few: &[TaskSummary],
    (zone, now_ms): (&TimeZone, i64),
) -> Result<(), Failure> {
    let (summary, spec) =
        (reply.summary.clone().unwrap_or_default(), reply.spec.clone().unwrap_or_default());
    let mut is_cut = false;
    for (title, text) in fields(reply, &summary, &spec, zone) {
        let whole = words::tame(&text);
        let short = screen
            .width()
            .map_or_else(|| whole.clone(), |width| cut(&whole, FIELD_LINES * width - 12));
        is_cut |= short.len() < whole.len();
        screen.line(format_args!("{title:<12}{short}"))?;
    }
    if is_cut {
        screen.note("what ends with … is cut for the screen: `-o json` and pipes get it whole");
    }
    let shown = if few.is_empty() { &reply.failures } else { few };
    if !shown.is_empty() {
        screen.line("")?;
        screen.table(&attempts_table(shown, now_ms))?;
    }
    let mut told: Vec<String> = reply.remarks.iter().map(words::remark).collect();
    told.extend(steps::checkpoints(shown));
    told.extend(claims::lines(shown, (zone, now_ms)));
    if !told.is_empty() {
        screen.line("")?;
    }
    for line in told {
        screen.sentence(line)?;
    }
    if few.is_empty() && summary.failed > reply.failures.len() as u64 {
        screen.note(format_args!(
            "{} of {} are shown; `repower show {} --failed` lists more",
            reply.failures.len(),
            count(summary.failed, "failure"),
            summary.id
        ));
    }
    Ok(())
}

fn fields(
    reply: &ShowJobReply,
    summary: &JobSummary,
    spec: &JobSpec,
    zone: &TimeZone,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("job", format!("{}  {}", summary.id, summary.name)),
        ("state", state(summary)),
        ("class", format!("{} ({})", summary.job_class, reply.tier)),
        ("project", format!("{}, submitted by {}", summary.project, summary.submitter)),
        ("tasks", tasks(summary, spec)),
        ("times", times(summary, zone)),
        ("command", asked::command(spec)),
        (
            "runs in",
            if spec.working_folder.is_empty() {
                "a fresh folder".into()
            } else {
                spec.working_folder.clone()
            },
        ),
        ("runs as", asked::user(spec, &summary.project)),
        ("each task", asked::resources(spec)),
        ("limits", asked::limits(spec)),
    ];
    fields.extend(asked::placement(spec));
    fields.extend(asked::outputs(spec));
    fields.extend(asked::timing(spec, zone));
    fields.extend(reply.estimate.as_ref().and_then(asked::estimate).map(|text| ("estimate", text)));
    if let Some(reason) = reason(summary) {
        fields.insert(2, ("waits for", format!("{reason} [{}]", summary.reason_code)));
    }
    fields.extend(asked::decisions(&reply.decisions, zone));
    if !spec.dependencies.is_empty() {
        fields.push(("after", asked::after(spec)));
    }
    if !spec.environment.is_empty() {
        let names = spec.environment.iter().map(|one| one.name.as_str());
        fields.push(("variables", names.collect::<Vec<_>>().join(", ")));
    }
    if let Some(first) = reply.marks.first() {
        let more = reply.marks.len() - 1;
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let (place, detail) = (words::tame(&first.place), words::tame(&first.detail));
        fields.push(("found", format!("{place}: {detail}{more} [{}]", first.sign)));
    }
    fields.push(("policy", reply.policy_hash.chars().take(16).collect()));
    fields
}

fn state(summary: &JobSummary) -> String {
    let word = words::job_state(summary.state());
    match summary.state() {
        JobState::Failed if summary.failure.is_empty() => {
            format!("{word}, exit code {}", summary.exit_code)
        }
        JobState::Failed => {
            format!("{word}, exit code {}: {}", summary.exit_code, summary.failure)
        }
        JobState::Unspecified
        | JobState::Held
        | JobState::Pending
        | JobState::Running
        | JobState::Succeeded
        | JobState::Cancelled => word.to_owned(),
    }
}

fn tasks(summary: &JobSummary, spec: &JobSpec) -> String {
    let numbers = [
        (json::pending(summary), "pending"),
        (summary.running, "running"),
        (summary.succeeded, "succeeded"),
        (summary.failed, "failed"),
        (summary.cancelled, "cancelled"),
    ];
    let numbers = numbers
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"));
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    match &spec.array {
        Some(array) if summary.tasks > 1 || array::ranges(&array.ranges) != "0" => {
            let most =
                if array.limit == 0 { String::new() } else { format!(", {} at once", array.limit) };
            format!("{} [{}{most}]: {numbers}", summary.tasks, array::ranges(&array.ranges))
        }
        Some(_) | None => numbers,
    }
}

fn times(summary: &JobSummary, zone: &TimeZone) -> String {
    let submitted = format!("submitted {}", time::calendar(summary.submitted_ms, zone));
    let waited = time::between(summary.submitted_ms, summary.started_ms);
    let from = if summary.started_ms == 0 { summary.submitted_ms } else { summary.started_ms };
    let took = time::between(from, summary.ended_ms);
    match (summary.started_ms, summary.ended_ms) {
        (0, 0) => submitted,
        (_, 0) => format!("{submitted}, started after {waited}"),
        (0, _) => format!("{submitted}, ended after {took}"),
        (_, _) => format!("{submitted}, started after {waited}, took {took}"),
    }
}

#[cfg(test)]
mod tests;
