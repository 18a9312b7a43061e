//! A load as a task would have it: a shell and what it starts, none of them children that are waited
//! for by the sensors.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use repower_agent::sense::Members;
use rustix::process::{Pid, Signal, kill_process_group};

/// Ends the group when the standard input of its shell does, which is when this process has ended.
const GUARD: &str = "exec 3<&0 </dev/null; (read -r _ <&3; kill -9 0) & exec 3<&-;";

/// A process group with a shell at its head. It is killed when this is dropped.
#[derive(Debug)]
pub struct Family {
    shell: Child,
}

impl Family {
    /// Starts `command` as a grandchild of this process, in `folder`, with its output thrown away.
    ///
    /// # Errors
    ///
    /// A shell that cannot be started.
    pub fn start<S: AsRef<OsStr>>(command: &[S], folder: &Path) -> anyhow::Result<Self> {
        Self::script("\"$@\" & wait", command, folder)
    }

    /// Starts a shell script with arguments.
    ///
    /// # Errors
    ///
    /// A shell that cannot be started.
    pub fn script<S: AsRef<OsStr>>(
        script: &str,
        arguments: &[S],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let errors = File::create(folder.join("errors"))?;
        let mut shell = Command::new("/bin/sh");
        let script = format!("{GUARD} {script}");
        shell.args(["-c", &script, "sh"]).args(arguments).current_dir(folder).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors);
        Ok(Self { shell: shell.spawn().context("cannot start a shell")? })
    }

    /// By what the sensors know it.
    pub fn members(&self) -> Members {
        Members::Family(self.shell.id())
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let group = i32::try_from(self.shell.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.shell.wait();
    }
}
