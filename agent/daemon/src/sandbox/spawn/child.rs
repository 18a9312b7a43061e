//! What a new process does until it is the task. It shares its parent's memory: system calls only.

use std::ffi::c_void;
use std::os::fd::AsRawFd as _;
use std::ptr;

use super::{Plan, SHARING, Step};
use crate::sandbox::cgroup::Entrance;
use crate::sandbox::raw::{self, CloneArgs, Errno};

/// Which step failed, why, and which part of it.
type Failed = (Step, Errno, u32);

/// Above the descriptors that a task has.
const HIGH: i32 = 10;

/// The task's own process, without a pid namespace: makes the box, if any, and becomes the task.
pub(super) extern "C" fn task(plan: *const c_void) -> ! {
    let plan = plan_at(plan);
    close_others(plan);
    let failed = boxed(plan).and_then(|rules| become_task(plan, rules, Tie::Owner));
    fail(plan, failed)
}

/// The first process of a pid namespace: makes the box, starts the task, becomes `init`.
pub(super) extern "C" fn init(plan: *const c_void) -> ! {
    let plan = plan_at(plan);
    close_others(plan);
    let failed = first(plan);
    fail(plan, failed)
}

/// The task's own process in a pid namespace.
extern "C" fn second(argument: *const c_void) -> ! {
    // SAFETY: `first` passes a live one, and waits until this process has become the task.
    #[expect(unsafe_code, reason = "the entry of a clone gets a pointer")]
    let Second { plan, rules } = unsafe { &*argument.cast::<Second<'_>>() };
    let failed = become_task(plan, *rules, Tie::Namespace);
    fail(plan, failed)
}

/// What the second process is told.
struct Second<'a> {
    plan: &'a Plan<'a>,
    /// The descriptor of its Landlock rules.
    rules: Option<i32>,
}

/// By what the task dies with the agent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    Owner,
    /// By its `init`, which is tied to the agent.
    Namespace,
}

fn plan_at<'a>(plan: *const c_void) -> &'a Plan<'a> {
    // SAFETY: `Plan::launch` passes a live one, and waits until this process has become the task.
    #[expect(unsafe_code, reason = "the entry of a clone gets a pointer")]
    unsafe {
        &*plan.cast::<Plan<'_>>()
    }
}

/// Closes what this process does not need, before anything that takes its time.
fn close_others(plan: &Plan<'_>) {
    let mut next = 3;
    for kept in plan.kept {
        raw::close_range(next, kept.saturating_sub(1));
        next = kept.saturating_add(1);
    }
    raw::close_range(next, i32::MAX);
}

fn fail(plan: &Plan<'_>, failed: Result<(), Failed>) -> ! {
    if let Err((step, errno, detail)) = failed {
        plan.report.set(step, errno, detail);
    }
    raw::exit(127)
}

fn at(step: Step) -> impl Fn(Errno) -> Failed {
    move |errno| (step, errno, 0)
}

/// Makes what is in namespaces; returns the descriptor of the Landlock rules.
fn boxed(plan: &Plan<'_>) -> Result<Option<i32>, Failed> {
    let confinement = &plan.confinement;
    if confinement.namespaces.user {
        map_users(plan).map_err(at(Step::UserMap))?;
    }
    if confinement.namespaces.network {
        raw::loopback_on().map_err(at(Step::Loopback))?;
    }
    if let Some(network) = confinement.network {
        raw::join_network(network.as_raw_fd()).map_err(at(Step::Network))?;
    }
    let Some(view) = confinement.view else {
        return Ok(None);
    };
    view.enter().map_err(|(detail, errno)| (Step::View, errno, detail))?;
    let rules = confinement.landlock.map(|landlock| landlock.rules(&view.rules));
    rules.transpose().map_err(at(Step::Rules))
}

/// Says who this process is in its user namespace: who it is outside.
fn map_users(plan: &Plan<'_>) -> Result<(), Errno> {
    let maps = [
        (c"/proc/self/setgroups", "deny"),
        (c"/proc/self/uid_map", plan.maps.uid.as_str()),
        (c"/proc/self/gid_map", plan.maps.gid.as_str()),
    ];
    for (path, text) in maps {
        let file = raw::open(path, libc::O_WRONLY)?;
        let written = raw::write(file, text.as_bytes());
        raw::close(file);
        written?;
    }
    Ok(())
}

fn first(plan: &Plan<'_>) -> Result<(), Failed> {
    raw::setsid().map_err(at(Step::Session))?;
    tie(plan)?;
    let rules = boxed(plan)?;
    let told = Second { plan, rules };
    let args = CloneArgs {
        flags: SHARING,
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        stack: plan.stack.0,
        stack_size: plan.stack.1,
        ..CloneArgs::default()
    };
    let args = plan.in_group(args);
    // SAFETY: signals are blocked since the first clone, this process waits, and the entry makes
    // system calls only; `told` and `args` outlive the call.
    #[expect(unsafe_code, reason = "only a clone that shares memory costs little")]
    let cloned = unsafe { raw::clone3(&args, second, ptr::from_ref(&told).cast()) };
    cloned.map_err(at(Step::CloneTask))?;
    if plan.report.failure().is_some() {
        return Ok(());
    }
    become_init(plan).map_err(at(Step::Init))
}

/// Keeps nothing but the descriptor for the status, and runs `init`.
fn become_init(plan: &Plan<'_>) -> Result<(), Errno> {
    let program = raw::dup_above(plan.init, HIGH)?;
    if let Some(status) = plan.status {
        raw::dup_to(status, 3)?;
    }
    // A kernel that cannot do this is one on which all descriptors are closed by an exec anyway.
    let _ = raw::close_on_exec_from(4);
    (0..3).for_each(raw::close);
    Err(raw::exec_descriptor(program))
}

/// Dies when the thread that started it ends, be it before this call.
fn tie(plan: &Plan<'_>) -> Result<(), Failed> {
    let kill = libc::SIGKILL.unsigned_abs() as usize;
    raw::prctl(libc::PR_SET_PDEATHSIG, kill).map_err(at(Step::Owner))?;
    if raw::has_ended(plan.owner) {
        return Err((Step::Owner, libc::ESRCH, 0));
    }
    Ok(())
}

fn become_task(plan: &Plan<'_>, rules: Option<i32>, by: Tie) -> Result<(), Failed> {
    let confinement = &plan.confinement;
    raw::setsid().map_err(at(Step::Session))?;
    if let Some(Entrance::Write(doors)) = confinement.group {
        for door in doors {
            raw::write(door.as_raw_fd(), b"0").map_err(at(Step::Group))?;
        }
    }
    let rules = streams(plan, rules).map_err(at(Step::Streams))?;
    for (resource, limit) in confinement.rlimits {
        raw::limit(*resource, limit).map_err(at(Step::Limits))?;
    }
    if let Some(user) = confinement.user {
        raw::become_user(user.uid, user.gid, confinement.groups).map_err(at(Step::User))?;
    }
    if by == Tie::Owner {
        // A change of user undoes it, so it comes after.
        tie(plan)?;
    }
    raw::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(at(Step::Privileges))?;
    raw::change_folder(plan.program.folder).map_err(at(Step::Folder))?;
    if let Some(rules) = rules {
        raw::landlock_restrict(rules).map_err(at(Step::Landlock))?;
    }
    // Rust lets writes to closed pipes fail; programs expect to be ended by them.
    let _ = raw::default_action(libc::SIGPIPE);
    if let Some(filter) = confinement.filter {
        raw::seccomp_filter(filter.program()).map_err(at(Step::Filter))?;
    }
    raw::block_signals(0);
    let program = &plan.program;
    Err((Step::Exec, raw::exec(program.path, program.arguments, program.environment), 0))
}

/// Puts the three streams in their places; all else is closed when the task begins. Returns where
/// the Landlock rules are now.
fn streams(plan: &Plan<'_>, rules: Option<i32>) -> Result<Option<i32>, Errno> {
    let [input, output, error] = plan.program.streams.map(|stream| stream.as_raw_fd());
    // None may lie where another has to go.
    let output = if output < 3 { raw::dup_above(output, HIGH)? } else { output };
    let error = if error < 3 { raw::dup_above(error, HIGH)? } else { error };
    let rules = match rules {
        Some(rules) if rules < 3 => Some(raw::dup_above(rules, HIGH)?),
        rules => rules,
    };
    raw::dup_to(input, 0)?;
    raw::dup_to(output, 1)?;
    raw::dup_to(error, 2)?;
    // A kernel that cannot do this is one on which all descriptors are closed by an exec anyway.
    let _ = raw::close_on_exec_from(3);
    Ok(rules)
}
