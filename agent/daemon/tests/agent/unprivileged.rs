//! An agent that is not root, as a process of another user: it makes boxes inside user namespaces.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use repower_proto::v1::{Isolation, JobSpec, OutcomeKind, Stream};

use crate::boxes::{can, is_able};
use crate::fake::Fake;
use crate::house::{House, PROGRAM, gone};
use crate::killed::{Process, executor, kill};
use crate::orders::shell;

/// A user to whom nothing on this machine belongs: one before the first that a project gets.
const USER: u32 = 199_999;

/// Starts an agent of another user, or of this one if only root could do that; says whose it is.
fn spawn(house: &House) -> (Process, u32) {
    let program = house.folder.path().join("program");
    // Others may not get to where it is.
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(house.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let options = house.options();
    let mut command = Command::new(program);
    command.arg("agent").arg(options.data).arg(options.join.unwrap());
    command.current_dir(house.folder.path());
    let own = rustix::process::geteuid();
    if own.is_root() {
        for path in [house.folder.path(), &house.folder.path().join("join.toml")] {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
        command.uid(USER).gid(USER);
    }
    (Process::start(&mut command), if own.is_root() { USER } else { own.as_raw() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_not_root_keeps_tasks_in_boxes_and_ends_all_of_them() {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    let (mut agent, user) = spawn(&house);
    fake.linked().await;
    let says = is_able(&fake, "isolation.bare") && !is_able(&fake, "users");
    assert!(says, "its tasks have its own user on every level, and it can give them no other");

    let data = house.data().display().to_string();
    let bare = fake.run(1, shell("id -u; exit 4")).await;
    let outcome = fake.ended(bare).await.outcome.unwrap();
    assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 4), "{outcome:?}");
    assert_eq!(fake.memory().output(bare, Stream::Stdout), format!("{user}\n").as_bytes());
    if can(&fake, "isolation.boxed") {
        let line = format!(
            "id -u; cat {data}/identity.toml {data}/agent.key 2>/dev/null; ls {data} | grep -v work; \
             echo x > file && cat file; setsid sleep 300 & kill -9 $PPID; ps -e 2>/dev/null | wc -l; exit 6"
        );
        let boxed = |line: &str| JobSpec {
            project: "red".into(),
            isolation: Isolation::Boxed.into(),
            ..shell(line)
        };
        let attempt = fake.run(2, boxed(&line)).await;
        let outcome = fake.ended(attempt).await.outcome.unwrap();
        assert_eq!((outcome.kind(), outcome.exit_code), (OutcomeKind::Exited, 6), "{outcome:?}");
        let said = String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], [&user.to_string(), "x"], "{said}");
        assert!(lines[2].parse::<u32>().unwrap() < 10, "it sees its own processes only: {said}");

        let killed = fake.run(
            3,
            JobSpec {
                grace_ms: 200,
                time_limit_ms: 1000,
                ..boxed("trap '' TERM; while :; do sleep 0.1; done")
            },
        );
        let killed = killed.await;
        assert_eq!(fake.ended(killed).await.outcome.unwrap().kind(), OutcomeKind::TimedOut);
    }

    let last = executor(&house);
    agent.kill();
    kill(last);
    gone(last).await;
}
