//! What was given to run: a command, a script, a job file.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Explain};
use crate::jobfile::directive::{self, DirectiveError};
use crate::jobfile::document::{self, DocumentError};
use crate::jobfile::draft::{Draft, DraftError, Program};
use crate::jobfile::script::{Script, ScriptError};

/// The largest job file that is read, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// Whether the script may speak for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Directives {
    #[default]
    Auto,
    Off,
}

/// Why what was given does not make a job.
#[derive(Debug, thiserror::Error)]
pub(super) enum GivenError {
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
    #[error("there is nothing to run: neither a command, nor a script, nor a job file was given")]
    Nothing,
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
            Self::Nothing => {
                "say `repower submit OPTIONS -- COMMAND ARGUMENTS`, or name a script (`repower submit run.sh`) or a job \
                 file (`repower submit job.toml`)"
                    .to_owned()
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

/// Returns what is to run, and what script and job file say about it.
pub(super) fn given(
    file: Option<&Path>,
    command: Vec<String>,
    directives: Directives,
) -> Result<(Program, Draft), GivenError> {
    let said = |script: &Script| match directives {
        Directives::Auto => directive::read(&script.name, &script.text),
        Directives::Off => Ok(Draft::default()),
    };
    let Some(path) = file else {
        if command.is_empty() {
            return Err(GivenError::Nothing);
        }
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
    let mut document = document::read(&path.display().to_string(), &text_of(path)?)?;
    // As the script, which is beside the job file.
    let beside = path.with_file_name("");
    let inputs = std::mem::take(&mut document.draft.input).into_iter();
    document.draft.input = inputs.map(|input| input.relative_to(&beside)).collect();
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
