//! `repower submit`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_proto::v1::{SubmitReply, SubmitRequest};
use uuid::Uuid;

use super::wait::{Until, Waited};
use crate::arguments::Reach;
use crate::client::{Client, Patience, is_lost};
use crate::clock;
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::directive::{self, DirectiveError};
use crate::jobfile::document::{self, DocumentError};
use crate::jobfile::draft::{Draft, DraftError, Here, Program};
use crate::jobfile::script::{Script, ScriptError};
use crate::render::quantity::count;
use crate::render::{Screen, json};

/// The largest job file that is read, in bytes.
const LARGEST_FILE: u64 = 16 << 20;
/// How long a submission is tried again after the line broke.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  repower submit --class ai-training --cpus 2 -- ./train --lr 0.1
  repower submit --class sci-simulation --array 0-99%10 run.sh
  repower submit sweep.toml --wait --progress
A script may say its options itself, in lines that begin with #REPOWER.";

/// Options of `repower submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Submit {
    /// Script to ship and run, - for standard input, or a job file that ends in .toml
    #[arg(value_name = "SCRIPT", required_unless_present = "command")]
    file: Option<PathBuf>,
    /// What stands before `--` by mistake
    #[arg(hide = true)]
    stray: Vec<String>,
    /// Program that the nodes have, with its arguments; after a script, its arguments
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
    #[command(flatten)]
    draft: Draft,
    /// Whether to read the script's `#REPOWER` lines: auto or off [default: auto]
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "WHETHER",
        help_heading = "How it runs"
    )]
    directives: Directives,
    #[command(flatten)]
    until: Until,
    /// Submitting again under the same key gives the same job [default: a new key]
    #[arg(long, value_name = "UUID", help_heading = "Waiting and repeating")]
    key: Option<Uuid>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Whether the script may speak for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Directives {
    #[default]
    Auto,
    Off,
}

/// Why what was given does not make a job.
#[derive(Debug, thiserror::Error)]
enum GivenError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Directive(#[from] DirectiveError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error("cannot read the job file {path}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the job file {path} is larger than {LARGEST_FILE} bytes, the most that is read", path = path.display())]
    FileTooLarge { path: PathBuf },
    #[error("the job file {path} has neither `command` nor `script`", path = path.display())]
    NothingToRun { path: PathBuf },
    #[error("`{words}` stands before the `--`, where only a script can stand")]
    Stray { words: String },
    #[error("cannot tell the current folder")]
    Folder { source: io::Error },
}

impl Explain for GivenError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Script(error) => error.hint(),
            Self::Directive(error) => error.hint(),
            Self::Document(error) => error.hint(),
            Self::Draft(error) => error.hint(),
            Self::File { .. } => "check its name and permissions".to_owned(),
            Self::FileTooLarge { .. } => "keep data in files that the nodes can reach".to_owned(),
            Self::NothingToRun { .. } => {
                "add for example command = [\"./train\", \"--lr\", \"0.1\"]".to_owned()
            }
            Self::Stray { words } => {
                format!("put a program and its arguments behind it: repower submit -- {words}")
            }
            Self::Folder { .. } => {
                "say where to run: --workdir FOLDER, or --workdir fresh".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        Exit::USAGE
    }
}

impl Submit {
    /// Submits the job, and waits for it if asked to.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let Self { draft, directives, until, key, reach, file, stray, command } = self;
        if let (Some(file), false) = (&file, stray.is_empty()) {
            let words = format!("{} {}", file.display(), stray.join(" "));
            return Err(GivenError::Stray { words }.into());
        }
        let (program, said) = given(file.as_deref(), command, directives)?;
        let folder = std::env::current_dir().map_err(|source| GivenError::Folder { source });
        let folder = if draft.workdir.is_some() { folder.unwrap_or_default() } else { folder? };
        let here =
            Here { now: &clock::here, folder, variable: &|name: &OsStr| std::env::var_os(name) };
        let spec = draft.over(said).into_spec(program, &here).map_err(GivenError::from)?;

        let client = reach.connect(screen).await?;
        let key = key.unwrap_or_else(Uuid::new_v4);
        let reply =
            send(&client, key, SubmitRequest { key: key.as_bytes().to_vec(), spec: Some(spec) })
                .await?;
        finish(&client, screen, &until, &reply, key).await
    }
}

/// Returns what is to run, and what script and job file say about it.
fn given(
    file: Option<&Path>,
    command: Vec<String>,
    directives: Directives,
) -> Result<(Program, Draft), GivenError> {
    let said = |script: &Script| match directives {
        Directives::Auto => directive::read(&script.name, &script.text),
        Directives::Off => Ok(Draft::default()),
    };
    let Some(path) = file else {
        return Ok((Program::Command(command), Draft::default()));
    };
    if path.extension() != Some(OsStr::new("toml")) {
        let script = if path == Path::new("-") {
            Script::from_stream(&mut io::stdin())?
        } else {
            Script::open(path)?
        };
        let draft = said(&script)?;
        return Ok((Program::Script(script, command), draft));
    }
    let document = document::read(&path.display().to_string(), &text_of(path)?)?;
    let command = if command.is_empty() { document.command } else { command };
    match document.script {
        Some(script) => {
            let script = Script::open(&path.with_file_name("").join(script))?;
            let draft = document.draft.over(said(&script)?);
            Ok((Program::Script(script, command), draft))
        }
        None if command.is_empty() => Err(GivenError::NothingToRun { path: path.to_owned() }),
        None => Ok((Program::Command(command), document.draft)),
    }
}

fn text_of(path: &Path) -> Result<String, GivenError> {
    use io::Read as _;

    let unreadable = |source| GivenError::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(GivenError::FileTooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// Sends a submission; if the line breaks, once more under the same key, which gives the same job.
async fn send(client: &Client, key: Uuid, request: SubmitRequest) -> Result<SubmitReply, Failure> {
    let mut patience = Patience::of(PATIENCE);
    loop {
        match client.jobs().submit(request.clone()).await {
            Ok(reply) => return Ok(reply.into_inner()),
            Err(status) if is_lost(&status) => {
                if !patience.wait().await {
                    let hint = format!(
                        "it may have been submitted: the same with --key {key} makes it once"
                    );
                    return Err(client.refused(&status).with_hint(hint).into());
                }
            }
            Err(status) => return Err(client.refused(&status).into()),
        }
    }
}

/// Tells the job's number, and waits for its end if asked to.
pub(super) async fn finish(
    client: &Client,
    screen: &mut Screen,
    until: &Until,
    reply: &SubmitReply,
    key: Uuid,
) -> Result<Exit, Failure> {
    if screen.is_quiet() && !screen.is_json() {
        screen.line(reply.job)?;
    } else if !screen.is_json() {
        let again = if reply.created { "" } else { ", submitted before under this key" };
        screen.line(format_args!(
            "submitted job {} ({}{again})",
            reply.job,
            count(reply.tasks, "task")
        ))?;
        if !reply.hold.is_empty() {
            screen.note(format_args!("it waits: {} [{}]", reply.hold, reply.hold_code));
        }
    }
    screen.flush()?;
    if !until.wanted() {
        if screen.is_json() {
            screen.json(&json::Submitted::new(reply, key, None))?;
        }
        return Ok(Exit::OK);
    }
    match until.ended(client, screen, &[reply.job]).await? {
        Waited::Interrupted => Ok(Exit::INTERRUPTED),
        Waited::Ended(jobs) => {
            let job = jobs.first();
            if screen.is_json() {
                screen.json(&json::Submitted::new(reply, key, job))?;
            }
            Ok(super::wait::exit(&jobs))
        }
    }
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{JobState, JobSummary};
    use tonic::Status;

    use super::*;
    use crate::client::testing::{Script as Play, Stage};
    use crate::render::screen::Form;
    use crate::render::testing::pages_of;

    fn reply() -> SubmitReply {
        SubmitReply { job: 12, created: true, tasks: 32, ..SubmitReply::default() }
    }

    fn until(wait: bool) -> Until {
        if wait { Until::waiting() } else { Until::at_once() }
    }

    #[tokio::test]
    async fn a_submission_whose_answer_was_lost_is_sent_again_under_the_same_key() {
        let lost = Err(Status::unavailable("the line broke"));
        let stage = Stage::serve(Play { submit: vec![lost, Ok(reply())], ..Play::default() }).await;
        let client = Client::connect(&stage.profile).await.expect("connected");
        let key = Uuid::new_v4();
        let request = SubmitRequest { key: key.as_bytes().to_vec(), spec: None };

        let got = send(&client, key, request.clone()).await.expect("submitted");

        assert_eq!(got, reply());
        assert_eq!(stage.look(|play| play.submitted.clone()), [request.clone(), request]);
    }

    #[tokio::test]
    async fn what_the_scheduler_refuses_is_not_sent_again() {
        let refused = Err(Status::failed_precondition("class `pow-mining` is prohibited"));
        let stage =
            Stage::serve(Play { submit: vec![refused, Ok(reply())], ..Play::default() }).await;
        let client = Client::connect(&stage.profile).await.expect("connected");

        let failure =
            send(&client, Uuid::nil(), SubmitRequest::default()).await.expect_err("refused");

        assert_eq!(failure.message(), "class `pow-mining` is prohibited");
        assert_eq!(stage.look(|play| play.submitted.len()), 1);
    }

    #[tokio::test]
    async fn waiting_goes_on_over_a_broken_stream_and_exits_as_the_job_did() {
        let job = |state: JobState| JobSummary {
            id: 12,
            state: state.into(),
            exit_code: 3,
            tasks: 32,
            failed: 1,
            ..JobSummary::default()
        };
        let first = vec![Ok(job(JobState::Running)), Err(Status::unavailable("the line broke"))];
        let second = vec![Ok(job(JobState::Running)), Ok(job(JobState::Failed))];
        let stage = Stage::serve(Play { watch: vec![first, second], ..Play::default() }).await;
        let client = Client::connect(&stage.profile).await.expect("connected");

        let (out, err, exit) = pages_of(Form::Table, async |screen| {
            finish(&client, screen, &until(true), &reply(), Uuid::nil()).await
        })
        .await;

        assert_eq!(out, "submitted job 12 (32 tasks)\n");
        assert_eq!(err, "job 12 failed after 0ms: 1 of 32 tasks failed, exit code 3\n");
        assert_eq!(exit.expect("waited").as_u8(), 3);
    }

    #[tokio::test]
    async fn a_held_job_says_what_it_waits_for() {
        let stage = Stage::serve(Play::default()).await;
        let client = Client::connect(&stage.profile).await.expect("connected");
        let held = SubmitReply {
            hold: "class `hash-heavy` needs a review by an operator".into(),
            hold_code: "policy.review".into(),
            ..reply()
        };

        let (_, err, _) = pages_of(Form::Table, async |screen| {
            finish(&client, screen, &until(false), &held, Uuid::nil()).await
        })
        .await;

        assert_eq!(
            err,
            "it waits: class `hash-heavy` needs a review by an operator [policy.review]\n"
        );
    }

    #[test]
    fn the_command_line_wins_over_the_job_file_and_that_over_its_script() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("job.toml");
        std::fs::write(
            folder.path().join("run.sh"),
            "#!/bin/sh\n#REPOWER --cpus 1 --memory 1G --disk 1G\n",
        )
        .expect("written");
        std::fs::write(
            &file,
            "script = \"run.sh\"\ncommand = [\"a\"]\nmemory = \"2G\"\ndisk = \"2G\"\n",
        )
        .expect("written");

        let (program, said) =
            given(Some(&file), vec!["b".into()], Directives::Auto).expect("a job");
        let (_, silent) = given(Some(&file), Vec::new(), Directives::Off).expect("a job");

        let Program::Script(script, arguments) = program else { panic!("a script") };
        assert_eq!((script.name.as_str(), arguments), ("run.sh", vec!["b".to_owned()]));
        let shown = |draft: &Draft| {
            (
                draft.cpus.map(crate::jobfile::number::Cpus::as_milli),
                draft.memory.map(|size| size.as_bytes() >> 30),
            )
        };
        assert_eq!(shown(&said), (Some(1000), Some(2)));
        assert_eq!(shown(&silent), (None, Some(2)));
    }

    #[test]
    fn a_job_file_without_anything_to_run_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("job.toml");
        std::fs::write(&file, "cpus = 1\n").expect("written");

        let error = given(Some(&file), Vec::new(), Directives::Auto).expect_err("nothing to run");

        assert!(
            error.to_string().ends_with("job.toml has neither `command` nor `script`"),
            "{error}"
        );
    }
}
