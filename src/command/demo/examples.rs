//! The example programs: where they are, or how they come to be.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::process::Command;

use super::DemoError;
use crate::render::Screen;

/// The example programs.
#[derive(Debug)]
pub(super) struct Examples {
    pub(super) digits: PathBuf,
    pub(super) argon: PathBuf,
    pub(super) stand_in: PathBuf,
}

impl Examples {
    /// Finds the programs beside this one; if they are not there, builds them from the checkout
    /// that this one was built from, with the same profile.
    pub(super) async fn find_or_build(screen: &mut Screen) -> Result<Self, DemoError> {
        let own = std::env::current_exe().map_err(|source| DemoError::NoProgram { source })?;
        let folder = own.parent().unwrap_or(Path::new(".")).to_owned();
        if let Some(found) = Self::beside(&folder) {
            return Ok(found);
        }
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        let missing = |said: String| DemoError::NoExamples { said };
        if !checkout.join("examples/digits/Cargo.toml").exists() {
            return Err(missing(format!("neither beside {} nor to build", own.display())));
        }
        screen.note("building the example programs, once");
        let bar = ProgressBar::new_spinner().with_message("cargo build");
        bar.enable_steady_tick(Duration::from_millis(100));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(checkout).args(["build", "--quiet"]).stdin(Stdio::null());
        for example in ["digits", "argon", "stand-in"] {
            cargo.args(["-p", &format!("repower-example-{example}")]);
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        if let Some(target) = folder.parent() {
            cargo.arg("--target-dir").arg(target);
        }
        let output = cargo.kill_on_drop(true).output().await;
        bar.finish_and_clear();
        let output = output.map_err(|source| missing(format!("cargo: {source}")))?;
        if !output.status.success() {
            return Err(missing(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Self::beside(&folder)
            .ok_or_else(|| missing(format!("cargo has not put them into {}", folder.display())))
    }

    fn beside(folder: &Path) -> Option<Self> {
        let [digits, argon, stand_in] =
            ["digits", "argon", "stand-in"].map(|name| folder.join(name));
        let all = digits.exists() && argon.exists() && stand_in.exists();
        all.then_some(Self { digits, argon, stand_in })
    }
}
