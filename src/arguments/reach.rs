//! Options of all commands that ask the scheduler.

use std::path::PathBuf;

use crate::client::{Client, Profile};
use crate::failure::Failure;
use crate::render::Screen;
use crate::render::screen::{Colour, Form};

/// Which scheduler to ask, and how to show what it says.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Scheduler and output")]
pub struct Reach {
    /// Client profile [default: repower/client.toml in the folder for configuration]
    #[arg(long, value_name = "FILE", env = "REPOWER_PROFILE", hide_env_values = true)]
    profile: Option<PathBuf>,
    /// Address of the scheduler, instead of the profile's
    #[arg(long, value_name = "URL", env = "REPOWER_SCHEDULER", hide_env_values = true)]
    scheduler: Option<String>,
    #[command(flatten)]
    look: Look,
}

/// How to show a result.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Scheduler and output")]
pub struct Look {
    /// What the result is written as
    #[arg(
        long,
        short,
        value_name = "FORM",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help = "Write the result as `table` or `json` [default: table]",
        hide_default_value = true
    )]
    output: Form,
    /// Same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Only the bare result
    #[arg(long, short)]
    quiet: bool,
    /// Colours: auto, always or never [default: auto]
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    color: Colour,
}

impl Look {
    /// The usual, with the result in this form.
    pub fn of(form: Form) -> Self {
        Self { output: form, ..Self::default() }
    }

    /// Returns the screen that these options ask for.
    pub fn screen(&self) -> Screen {
        let form = if self.json { Form::Json } else { self.output };
        Screen::standard(form, self.quiet, self.color)
    }
}

impl Reach {
    /// The scheduler of a profile, or another one; how to show a result is the caller's business.
    pub fn of(profile: Option<PathBuf>, scheduler: Option<String>) -> Self {
        Self { profile, scheduler, look: Look::default() }
    }

    /// Returns how to show a result.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Returns the profile to use, after a warning if others can read its token.
    ///
    /// # Errors
    ///
    /// Any [`crate::client::ProfileError`].
    pub fn profile(&self, screen: &mut Screen) -> Result<Profile, Failure> {
        let found = Profile::find(self.profile.as_deref())?;
        if found.exposed {
            let path = found.path.display();
            screen.labelled(
                "warning:",
                crate::render::words::Tint::Look,
                &format!("others can read the token in {path}; `chmod 600 {path}` keeps it secret"),
            );
        }
        let mut profile = found.profile;
        if let Some(scheduler) = &self.scheduler {
            profile.scheduler.clone_from(scheduler);
        }
        Ok(profile)
    }

    /// Connects to the scheduler.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the profile or the way.
    pub async fn connect(&self, screen: &mut Screen) -> Result<Client, Failure> {
        let profile = self.profile(screen)?;
        Ok(Client::connect(&profile).await?)
    }
}
