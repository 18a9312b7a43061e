//! Trials: a process in each kind of confinement.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;

use rustix::process::{WaitOptions, waitpid};

use super::{Host, Limits, Number, Reach};
use crate::sandbox::abilities::name;
use crate::sandbox::spawn::{self, Confinement, Namespaces, Program};
use crate::sandbox::strings::Strings;
use crate::sandbox::users::User;

impl Host {
    /// Starts a process in each kind of confinement, and says which of them worked.
    pub(in crate::sandbox) fn trials(&self) -> Vec<(&'static str, io::Result<()>)> {
        let none = Namespaces { user: !self.is_privileged(), ..Namespaces::default() };
        let plain = |namespaces| Confinement { namespaces, ..Confinement::default() };
        let view = self.bare_view();
        let boxed = |network| {
            let view = view.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
            Ok(Confinement {
                namespaces: self.namespaces(true, network),
                view: Some(view),
                landlock: self.landlock,
                filter: Some(&self.filter),
                ..Confinement::default()
            })
        };
        let user = Namespaces { user: true, ..Namespaces::default() };
        let filter = Confinement { filter: Some(&self.filter), ..Confinement::default() };
        let whole = |confinement| match self.landlock {
            Some(_) => self.attempt(confinement),
            None => Err(io::Error::other("the kernel has no Landlock, or it is not switched on")),
        };
        vec![
            (name::USER, self.attempt(plain(user))),
            (name::PID, self.attempt(plain(Namespaces { pid: true, ..none }))),
            (name::MOUNT, self.attempt(plain(Namespaces { mount: true, ..none }))),
            (name::IPC, self.attempt(plain(Namespaces { ipc: true, ..none }))),
            (name::NETWORK, self.attempt(plain(Namespaces { network: true, ..none }))),
            (name::SECCOMP, self.attempt(filter)),
            (name::DEVICES, self.attempt_denial()),
            (name::BARE, self.attempt_unprivileged()),
            (name::LANDLOCK, whole(Confinement::default())),
            (name::BOXED, boxed(false).and_then(whole)),
            (name::SEALED, boxed(true).and_then(whole)),
            (name::ALLOW_LIST, boxed(false).and_then(|boxed| self.attempt_reach(boxed))),
        ]
    }

    /// Starts a process outside of boxes that is not root, in the folder below which it would have its own.
    fn attempt_unprivileged(&self) -> io::Result<()> {
        let user = self.is_privileged().then_some(User::NOBODY);
        let folder = CString::new(self.data.as_os_str().as_bytes())?;
        let tried = self.attempt_in(&folder, Confinement { user, ..Confinement::default() });
        tried.map_err(|error| {
            let folder = self.data.display();
            let text = format!(
                "{error}: let everybody pass through all folders above {folder} (chmod a+x)"
            );
            io::Error::new(error.kind(), text)
        })
    }

    /// Starts a process in a group that may not use a device of those that are everywhere, and may use another.
    fn attempt_denial(&self) -> io::Result<()> {
        const FULL: Number = Number { major: 1, minor: 7 };
        let tree = self.tree.as_ref().filter(|tree| tree.controllers().devices);
        let tree = tree.ok_or_else(|| {
            io::Error::other(
                "the control groups for devices are not mounted, or not the agent's, or name what may be used",
            )
        })?;
        let group = tree.take(Limits::default(), &[FULL]).map_err(io::Error::other)?;
        let tried = |path| spawn::opens(group.entrance(), path);
        let tried = (tried(c"/dev/full"), tried(c"/dev/null"));
        tree.remove(group).map_err(io::Error::other)?;
        match (tried.0?, tried.1?) {
            (false, true) => Ok(()),
            (true, _) => Err(io::Error::other("a process has opened a device that it was denied")),
            (false, false) => Err(io::Error::other("a process may open no device at all")),
        }
    }

    /// Starts a process in a box whose network reaches one place.
    fn attempt_reach(&self, confinement: Confinement<'_>) -> io::Result<()> {
        if !self.is_privileged() {
            let text = "a network that is made beforehand can be entered by root only";
            return Err(io::Error::other(text));
        }
        if self.landlock.is_none() {
            return Err(io::Error::other("there are no boxes"));
        }
        let reach =
            Reach::open(&["127.0.0.1:9".to_owned()], &self.hosts).map_err(io::Error::other)?;
        let view = self.view(&[], Some(reach.hosts()), &[]).map_err(io::Error::other)?;
        let network = Some(reach.namespace());
        self.attempt(Confinement { network, view: Some(&view), ..confinement })
    }

    /// Starts and reaps a process that ends at once.
    fn attempt(&self, confinement: Confinement<'_>) -> io::Result<()> {
        self.attempt_in(c"/", confinement)
    }

    fn attempt_in(&self, folder: &CStr, confinement: Confinement<'_>) -> io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let file = self.launcher.trial_program();
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut arguments = Strings::new();
        arguments.push("trial".as_ref())?;
        let program = Program {
            path: &path,
            arguments: &arguments,
            environment: &Strings::new(),
            folder,
            streams: [null.as_fd(); 3],
        };
        let started = self.launcher.spawn(program, confinement).map_err(|failure| {
            let view = confinement.view.filter(|_| failure.step == spawn::Step::View);
            let part = view.map(|view| format!(" ({})", view.describe(failure.detail)));
            let (what, why) = (failure.step.what(), failure.error());
            io::Error::other(format!("a task cannot {what}{}: {why}", part.unwrap_or_default()))
        })?;
        let ended = waitpid(Some(started.pid), WaitOptions::empty())?;
        let code = ended.and_then(|(_, status)| status.exit_status());
        // A task that has nothing to wait for says 1; the `init` of one that has ended says 0.
        let expected = i32::from(started.status.is_none());
        if code == Some(expected) {
            return Ok(());
        }
        Err(io::Error::other(format!("a process in it ended with {code:?} instead of {expected}")))
    }
}
