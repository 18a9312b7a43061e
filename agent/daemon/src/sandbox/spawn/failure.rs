//! Why a process could not be started: which step failed, and what the kernel said.

use std::io;

/// Why a process could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    /// Which part of the step: of a view, the number of its step.
    pub(crate) detail: u32,
}

/// What a new process does on its way to the task, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Step {
    /// Preparations.
    Start = 1,
    Clone,
    Session,
    Owner,
    UserMap,
    Loopback,
    Network,
    View,
    Rules,
    CloneTask,
    Init,
    Group,
    Streams,
    Limits,
    User,
    Privileges,
    Folder,
    Landlock,
    Filter,
    Exec,
}

impl Step {
    const ALL: [Self; 20] = [
        Self::Start,
        Self::Clone,
        Self::Session,
        Self::Owner,
        Self::UserMap,
        Self::Loopback,
        Self::Network,
        Self::View,
        Self::Rules,
        Self::CloneTask,
        Self::Init,
        Self::Group,
        Self::Streams,
        Self::Limits,
        Self::User,
        Self::Privileges,
        Self::Folder,
        Self::Landlock,
        Self::Filter,
        Self::Exec,
    ];

    pub(super) fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u32 == number)
    }

    /// What could not be done, as the end of "the task cannot ..".
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Start | Self::Clone | Self::CloneTask => "be given a process",
            Self::Session => "be given a session",
            Self::Owner => "be tied to the agent, which has ended",
            Self::UserMap => "be given a user namespace",
            Self::Loopback => "be given a network of its own",
            Self::Network => "enter the network that was made for it",
            Self::View => "be given its own view of the files",
            Self::Rules | Self::Landlock => "be held by Landlock",
            Self::Init => "be given a first process for its pid namespace",
            Self::Group => "be put into its control group",
            Self::Streams => "be given its streams",
            Self::Limits => "be given its limits",
            Self::User => "become its project's user",
            Self::Privileges => "be kept from new privileges",
            Self::Folder => "enter its working folder",
            Self::Filter => "be put under the filter of system calls",
            Self::Exec => "be executed",
        }
    }
}

impl Failure {
    pub(super) const fn new(step: Step, errno: i32, detail: u32) -> Self {
        Self { step, errno, detail }
    }

    /// Whether a limit of memory can be the reason: the kernel counts what it needs to start a program.
    pub(crate) const fn wants_memory(self) -> bool {
        let is_inside = self.step as u32 > Step::Group as u32;
        let is_exec = self.step as u32 == Step::Exec as u32;
        is_inside && self.errno == libc::ENOMEM || is_exec && self.errno == libc::E2BIG
    }

    /// What the kernel said.
    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_known_by_its_number() {
        for step in Step::ALL {
            assert_eq!(Step::of(step as u32), Some(step));
        }
        assert_eq!(Step::of(0), None);
    }
}
