//! The launcher: one task's first process, in whatever confinement, from a process of any size.
//!
//! The new process shares this one's memory until it becomes the task, so nothing is copied, and
//! this thread waits until then (as `posix_spawn` does it). All that it needs is prepared before; it
//! makes system calls only. With a pid namespace there are two: the first makes the box, starts the
//! second, which becomes the task, and then itself becomes the namespace's `init`.

mod child;
mod failure;
mod trial;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use super::cgroup::Entrance;
use super::landlock::Landlock;
use super::raw::{self, CloneArgs};
use super::seccomp::Filter;
use super::strings::Strings;
use super::users::User;
use super::view::View;

pub(crate) use failure::{Failure, Step};
pub(super) use trial::opens;

/// How large the stack is of which a new process uses a few hundred bytes.
const STACK: usize = 64 << 10;

/// Starts tasks.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// Readable when this process has ended.
    owner: OwnedFd,
    init: OwnedFd,
}

/// What is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    /// The first is what the program is told that its name is.
    pub(crate) arguments: &'a Strings,
    pub(crate) environment: &'a Strings,
    pub(crate) folder: &'a CStr,
    /// Standard input, output and error.
    pub(crate) streams: [BorrowedFd<'a>; 3],
}

/// In what it is to run. The default is none: only a session of its own and no new privileges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Confinement<'a> {
    pub(crate) group: Option<&'a Entrance>,
    pub(crate) user: Option<User>,
    /// Groups of users that it is in besides, if it has a user.
    pub(crate) groups: &'a [u32],
    pub(crate) namespaces: Namespaces,
    /// The network that it enters, if not one of its own.
    pub(crate) network: Option<BorrowedFd<'a>>,
    /// Needs a mount namespace.
    pub(crate) view: Option<&'a View>,
    /// Holds what the view's rules say.
    pub(crate) landlock: Option<Landlock>,
    pub(crate) filter: Option<&'a Filter>,
    /// Resources and their limits.
    pub(crate) rlimits: &'a [(u32, libc::rlimit)],
}

/// Which namespaces are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one namespace")]
pub(crate) struct Namespaces {
    pub(crate) pid: bool,
    pub(crate) mount: bool,
    pub(crate) ipc: bool,
    pub(crate) network: bool,
    /// In which an agent without privileges may make the others.
    pub(crate) user: bool,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// The task, or with a pid namespace the `init` of it; it leads a session of its own.
    pub(crate) pid: Pid,
    /// Readable when it has ended.
    pub(crate) pidfd: OwnedFd,
    /// With a pid namespace: gives the four bytes of the task's own wait status when it has ended.
    pub(crate) status: Option<OwnedFd>,
}

/// What goes from the new process back to this one, through the memory that they share.
#[derive(Debug, Default)]
struct Report {
    /// 0: all is well.
    step: AtomicU32,
    errno: AtomicI32,
    /// Which part of the step.
    detail: AtomicU32,
}

/// What the new process is told.
#[derive(Debug)]
struct Plan<'a> {
    program: Program<'a>,
    confinement: Confinement<'a>,
    owner: i32,
    init: i32,
    /// Where the task's wait status goes.
    status: Option<i32>,
    maps: &'a Maps,
    /// The descriptors that are needed on the way, ascending; what others there are belongs to
    /// others, who may wait for their last copy to be closed.
    kept: &'a [i32],
    report: &'a Report,
    /// The other end of the second process's stack: where it begins, and how large it is.
    stack: (u64, u64),
}

/// What a user namespace is told: whom this process is inside it.
#[derive(Debug, Default)]
struct Maps {
    uid: String,
    gid: String,
}

impl Launcher {
    /// One that starts tasks of this process.
    ///
    /// # Errors
    ///
    /// If the kernel is too old to tell when this process has ended, or has no memory left.
    pub(crate) fn new() -> io::Result<Self> {
        let owner = pidfd_open(getpid(), PidfdFlags::empty())?;
        Ok(Self { owner, init: super::init::descriptor()? })
    }

    /// A program that ends at once: the `init`, which has nothing to do when it has no children.
    pub(super) fn trial_program(&self) -> BorrowedFd<'_> {
        self.init.as_fd()
    }

    /// What a new process needs of this one's descriptors.
    fn kept(
        &self,
        program: Program<'_>,
        confinement: Confinement<'_>,
        status: Option<&OwnedFd>,
    ) -> Vec<i32> {
        let doors = match confinement.group {
            Some(Entrance::Write(doors)) => doors.as_slice(),
            Some(Entrance::Born(folder)) => std::slice::from_ref(folder),
            None => &[],
        };
        let own = [&self.owner, &self.init].into_iter().chain(status).chain(doors);
        let given = program.streams.iter().chain(&confinement.network);
        let given = given.map(std::os::fd::AsRawFd::as_raw_fd);
        let mut kept: Vec<i32> =
            own.map(std::os::fd::AsRawFd::as_raw_fd).chain(given).filter(|fd| *fd > 2).collect();
        kept.sort_unstable();
        kept
    }

    /// Starts a process; returns when it runs the program.
    ///
    /// The thread that calls this must live as long as the process: it is killed when the thread ends.
    ///
    /// # Errors
    ///
    /// Which step failed, and why. Then nothing is left of it.
    pub(crate) fn spawn(
        &self,
        program: Program<'_>,
        confinement: Confinement<'_>,
    ) -> Result<Started, Failure> {
        let here = |errno: rustix::io::Errno| Failure::new(Step::Start, errno.raw_os_error(), 0);
        let namespaces = confinement.namespaces;
        let pipe = namespaces.pid.then(|| pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK));
        let (status, writer) = pipe.transpose().map_err(here)?.unzip();
        let maps = if namespaces.user { Maps::own() } else { Maps::default() };
        let report = Report::default();
        let (mut first, mut second) = (stack(), stack());
        let kept = self.kept(program, confinement, writer.as_ref());
        let plan = Plan {
            program,
            confinement,
            owner: self.owner.as_raw_fd(),
            init: self.init.as_raw_fd(),
            status: writer.as_ref().map(std::os::fd::AsRawFd::as_raw_fd),
            maps: &maps,
            kept: &kept,
            report: &report,
            stack: place(&mut second),
        };
        let (pid, pidfd) = plan.launch(place(&mut first))?;
        let failure = report.failure();
        if let Some(failure) = failure {
            reap(pid);
            return Err(failure);
        }
        Ok(Started { pid, pidfd, status })
    }
}

impl Plan<'_> {
    /// Clones; returns when the clone has become something else or has ended.
    fn launch(&self, stack: (u64, u64)) -> Result<(Pid, OwnedFd), Failure> {
        let mut pidfd = -1_i32;
        let is_task = self.status.is_none();
        let args = CloneArgs {
            flags: SHARING | libc::CLONE_PIDFD as u64 | self.namespaces(),
            pidfd: ptr::from_mut(&mut pidfd).expose_provenance() as u64,
            exit_signal: libc::SIGCHLD.unsigned_abs().into(),
            stack: stack.0,
            stack_size: stack.1,
            ..CloneArgs::default()
        };
        let args = if is_task { self.in_group(args) } else { args };
        let entry = if is_task { child::task } else { child::init };
        let blocked = raw::block_signals(u64::MAX);
        // SAFETY: signals are blocked, the clone makes this thread wait, and the entries make system
        // calls only; the plan, its stacks and all that it points at outlive this call.
        #[expect(unsafe_code, reason = "only a clone that shares memory costs little")]
        let cloned = unsafe { raw::clone3(&args, entry, ptr::from_ref(self).cast()) };
        raw::block_signals(blocked);
        let pid = cloned.map_err(|errno| Failure::new(Step::Clone, errno, 0))?;
        // SAFETY: the kernel has just opened it for this call and nobody else knows it.
        #[expect(unsafe_code, reason = "the kernel gives it as a number")]
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok((pid.expect("the kernel numbers processes from 1 to 2^22"), pidfd))
    }

    /// The namespaces that the first process gets.
    fn namespaces(&self) -> u64 {
        let Namespaces { pid, mount, ipc, network, user } = self.confinement.namespaces;
        let flags = [
            (pid, libc::CLONE_NEWPID),
            (mount, libc::CLONE_NEWNS),
            (ipc, libc::CLONE_NEWIPC),
            (network, libc::CLONE_NEWNET),
            (user, libc::CLONE_NEWUSER),
        ];
        let wanted = flags.into_iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.map(|(_, flag)| u64::from(flag.cast_unsigned())).sum()
    }

    /// Lets the task be born in its group, if that is how to get in.
    fn in_group(&self, args: CloneArgs) -> CloneArgs {
        let Some(Entrance::Born(folder)) = self.confinement.group else {
            return args;
        };
        let cgroup = u64::from(folder.as_raw_fd().unsigned_abs());
        CloneArgs { flags: args.flags | raw::INTO_CGROUP, cgroup, ..args }
    }
}

/// How every new process begins: in this one's memory, while its parent waits, without handlers.
const SHARING: u64 = libc::CLONE_VM as u64 | libc::CLONE_VFORK as u64 | raw::CLEAR_SIGNALS;

impl Report {
    fn set(&self, step: Step, errno: i32, detail: u32) {
        self.errno.store(errno, Ordering::Relaxed);
        self.detail.store(detail, Ordering::Relaxed);
        self.step.store(step as u32, Ordering::Release);
    }

    fn failure(&self) -> Option<Failure> {
        let step = Step::of(self.step.load(Ordering::Acquire))?;
        let (errno, detail) =
            (self.errno.load(Ordering::Relaxed), self.detail.load(Ordering::Relaxed));
        Some(Failure::new(step, errno, detail))
    }
}

impl Maps {
    /// The user and group that this process has, and no others.
    fn own() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let line = |id: u32| format!("{id} {id} 1\n");
        Self { uid: line(uid.as_raw()), gid: line(gid.as_raw()) }
    }
}

/// Room for the stack of a new process, aligned as processors want it.
fn stack() -> Vec<u128> {
    Vec::with_capacity(STACK / size_of::<u128>())
}

/// Where a stack begins, and how large it is.
fn place(stack: &mut Vec<u128>) -> (u64, u64) {
    (stack.as_mut_ptr().expose_provenance() as u64, STACK as u64)
}

/// Waits for a process that could not become what it should.
fn reap(pid: Pid) {
    use rustix::process::{WaitOptions, waitpid};
    while let Err(rustix::io::Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
}
