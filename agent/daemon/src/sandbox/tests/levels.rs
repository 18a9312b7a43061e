//! What every level does to an honest task and to one that is none.

use super::harness::{Level, Room, limits};
use crate::sandbox::abilities::name;
use crate::sandbox::cgroup::Limits;

const LEVELS: [(Level, &str); 4] = [
    (Level::Bare, name::SECCOMP),
    (Level::Boxed, name::BOXED),
    (Level::Listed, name::ALLOW_LIST),
    (Level::Sealed, name::SEALED),
];

#[test]
fn the_abilities_of_this_host_are_said() {
    let room = Room::new();

    eprintln!("this host can do: {:?}", room.host.abilities());

    assert!(room.host.abilities().contains(name::SECCOMP));
    // Where it is known what a host can do, a test that is skipped is a test that fails.
    let expected = std::env::var_os("REPOWER_EXPECT_ABILITIES").unwrap_or_default();
    for ability in expected.to_str().unwrap().split(',').filter(|name| !name.is_empty()) {
        assert!(room.host.abilities().contains(ability), "this host lacks {ability}");
    }
}

#[test]
fn an_honest_task_runs_on_every_level_and_its_exit_code_is_its_own() {
    let room = Room::new();
    for (level, ability) in LEVELS {
        if !room.can(ability) {
            continue;
        }
        let end = room.run(level, Limits::default(), "echo $((6*7)) > file; cat file; exit 5");
        assert_eq!((end.code, end.output.as_str()), (Some(5), "42\n"), "{level:?}");

        let end = room.run(level, Limits::default(), "kill -TERM $$");
        assert_eq!(end.signal, Some(libc::SIGTERM), "{level:?}");
    }
}

#[test]
fn a_memory_hog_is_killed_and_counted() {
    let room = Room::new();
    if !room.can(name::LIMIT_MEMORY) {
        return;
    }
    for (level, ability) in LEVELS {
        if !room.can(ability) {
            continue;
        }
        let end = room.run(
            level,
            limits(Some(32), None),
            "head -c 200m /dev/zero | tail -c 150m | wc -c",
        );
        assert!(end.figures.memory_kills > 0, "{level:?}: {end:?}");
        let end = room.run(level, limits(Some(32), None), "echo small");
        assert_eq!((end.code, end.figures.memory_kills), (Some(0), 0), "{level:?}: {end:?}");
    }
}
