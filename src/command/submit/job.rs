//! The job as the command line gives it: what to run, and how.

use std::ffi::OsStr;
use std::path::PathBuf;

use repower_proto::v1::JobSpec;

use super::files::Uploads;
use super::given::{Directives, GivenError, given};
use crate::clock;
use crate::failure::Failure;
use crate::jobfile::draft::{Draft, Here};

/// What to run, and how.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Job {
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
}

impl Job {
    /// Puts together what the options, the script or the job file say, with the files that go along.
    pub(in crate::command) fn into_spec(self) -> Result<(JobSpec, Uploads), Failure> {
        let Self { draft, directives, file, stray, command } = self;
        if let (Some(file), false) = (&file, stray.is_empty()) {
            let words = format!("{} {}", file.display(), stray.join(" "));
            return Err(GivenError::Stray { words }.into());
        }
        let (program, said) = given(file.as_deref(), command, directives)?;
        let folder = std::env::current_dir().map_err(|source| GivenError::Folder { source });
        let folder = if draft.workdir.is_some() { folder.unwrap_or_default() } else { folder? };
        let here =
            Here { now: &clock::here, folder, variable: &|name: &OsStr| std::env::var_os(name) };
        let draft = draft.over(said);
        let (inputs, uploads) = Uploads::gather(&draft.input)?;
        let spec = draft.into_spec(program, inputs, &here).map_err(GivenError::from)?;
        Ok((spec, uploads))
    }
}
