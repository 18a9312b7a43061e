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
    #[arg(long, value_name = "UUID", help_heading = "Scheduler and output")]
    key: Option<Uuid>,
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Script to ship and run, - for standard input, or a job file that ends in .toml
    #[arg(value_name = "SCRIPT", required_unless_present = "command")]
    file: Option<PathBuf>,
    /// Program that the nodes have, with its arguments; after a script, its arguments
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
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
        let Self {
            draft,
            directives,
            until,
            key,
            reach,
            file,
            command,
        } = self;
        let (program, said) = given(file.as_deref(), command, directives)?;
        let folder = std::env::current_dir().map_err(|source| GivenError::Folder { source });
        let folder = if draft.workdir.is_some() {
            folder.unwrap_or_default()
        } else {
            folder?
        };
        let here = Here {
            now: clock::here(),
            folder,
            variable: &|name: &OsStr| std::env::var_os(name),
        };
        let spec = draft
            .over(said)
            .into_spec(program, &here)
            .map_err(GivenError::from)?;

        let client = reach.connect(screen).await?;
        let key = key.unwrap_or_else(Uuid::new_v4);
        let reply = send(
            &client,
            key,
            SubmitRequest {
                key: key.as_bytes().to_vec(),
                spec: Some(spec),
            },
        )
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
    let command = if command.is_empty() {
        document.command
    } else {
        command
    };
    match document.script {
        Some(script) => {
            let script = Script::open(&path.with_file_name("").join(script))?;
            let draft = document.draft.over(said(&script)?);
            Ok((Program::Script(script, command), draft))
        }
        None if command.is_empty() => Err(GivenError::NothingToRun {
            path: path.to_owned(),
        }),
        None => Ok((Program::Command(command), document.draft)),
    }
}

fn text_of(path: &Path) -> Result<String, GivenError> {
    use io::Read as _;

    let unreadable = |source| GivenError::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(LARGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(GivenError::FileTooLarge {
            path: path.to_owned(),
        });
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
                    return Err(client.refused(status).with_hint(hint).into());
                }
            }
            Err(status) => return Err(client.refused(status).into()),
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
        let again = if reply.created {
            ""
        } else {
            ", submitted before under this key"
        };
        screen.line(format_args!(
            "submitted job {} ({}{again})",
            reply.job,
            count(reply.tasks, "task")
        ))?;
        if !reply.hold.is_empty() {
            screen.note(format_args!(
                "it waits: {} [{}]",
                reply.hold, reply.hold_code
            ));
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
