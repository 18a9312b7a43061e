//! What boxes hold that an agent makes which is not root: inside a user namespace, tried by another user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::escapes::{World, page};
use super::harness::{Level, Room};
use crate::sandbox::abilities::name;
use crate::sandbox::cgroup::Limits;

/// A user to whom nothing on this machine belongs: one before the first that a project gets.
const USER: u32 = 199_999;

/// Runs one test of this program as [`USER`] if this is root; returns whether it was.
fn is_left_to_another_user(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let folder = tempfile::TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let [program, copy, own] = ["program", "page", "own"].map(|name| folder.path().join(name));
    // Others may not get to where they are.
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::copy(page(), &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(&own).unwrap();
    chown(&own, Some(USER), Some(USER)).unwrap();

    let test = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new(program);
    command.args(["--exact", &test, "--nocapture"]).uid(USER).gid(USER).current_dir(&own);
    command.env("TMPDIR", &own).env("HOME", &own).env("REPOWER_ISOLATION_PAGE", copy);
    let output = command.output().unwrap();

    let (said, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}{errors}");
    assert!(output.status.success() && said.contains("1 passed"), "as user {USER}: {said}{errors}");
    for line in errors.lines().filter(|line| line.starts_with("SKIPPED")) {
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), "{line} for an agent that is not root"));
    }
    true
}

#[test]
fn boxes_of_an_agent_that_is_not_root_block_what_their_table_says_and_nothing_less() {
    let own = "boxes_of_an_agent_that_is_not_root_block_what_their_table_says_and_nothing_less";
    if is_left_to_another_user(own) {
        return;
    }
    let world = World::new(Limits::default());
    if ![name::USER, name::BOXED, name::SEALED].iter().all(|ability| world.room.can(ability)) {
        return;
    }

    let table = world.table("| a task tries to | boxed | sealed |", &[Level::Boxed, Level::Sealed]);

    let page = fs::read_to_string(page()).unwrap();
    // The one line that a kernel before 6.12 cannot hold, as the page says below its table.
    let page = if world.room.can(name::SCOPES) {
        page
    } else {
        page.replace(
            "abstract sockets | blocked | blocked |",
            "abstract sockets | possible | blocked |",
        )
    };
    assert!(page.contains(&table), "docs/isolation.md has another table than this:\n{table}");
}

#[test]
fn an_honest_task_of_an_agent_that_is_not_root_runs_on_every_level_that_it_can_have() {
    let own = "an_honest_task_of_an_agent_that_is_not_root_runs_on_every_level_that_it_can_have";
    if is_left_to_another_user(own) {
        return;
    }
    let room = Room::new();
    let user = rustix::process::geteuid().as_raw();

    let levels =
        [(Level::Bare, name::BARE), (Level::Boxed, name::BOXED), (Level::Sealed, name::SEALED)];
    for (level, ability) in levels {
        if !room.can(ability) {
            continue;
        }
        let end = room.run(level, Limits::default(), "id -u; echo x > file && cat file; exit 5");
        assert_eq!((end.code, end.output), (Some(5), format!("{user}\nx\n")), "{level:?}");
        let end = room.run(level, Limits::default(), "kill -TERM $$");
        assert_eq!(end.signal, Some(libc::SIGTERM), "{level:?}");
    }
    for lacking in [name::USERS, name::ALLOW_LIST] {
        assert!(!room.host.abilities().contains(lacking), "{lacking} takes root");
    }
}
