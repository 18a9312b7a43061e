//! Who a task is outside of boxes: the user of its project, and root only if its class may be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use repower_proto::v1::{AttemptRef, JobSpec, Outcome, OutcomeKind, Stream};

use crate::boxes::can;
use crate::fake::Fake;
use crate::house::{House, runs};
use crate::image::Image;
use crate::orders::{command, shell};

/// A house whose folders everybody may pass through, as those of a system's services.
fn house(fake: &Fake) -> House {
    let house = House::new(fake);
    std::fs::set_permissions(house.folder.path(), Permissions::from_mode(0o755)).unwrap();
    house
}

fn of(project: &str, spec: JobSpec) -> JobSpec {
    JobSpec { project: project.into(), project_user: true, ..spec }
}

fn said(fake: &Fake, attempt: AttemptRef) -> String {
    String::from_utf8(fake.memory().output(attempt, Stream::Stdout)).unwrap()
}

async fn outcome(fake: &Fake, attempt: AttemptRef) -> Outcome {
    fake.ended(attempt).await.outcome.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_task_is_the_user_of_its_project_and_reaches_neither_the_agent_nor_other_projects() {
    let fake = Fake::start().await;
    let house = house(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    assert!(can(&fake, "isolation.bare"), "everybody may pass through its folders");
    let data = house.data().display().to_string();

    let script =
        b"#!/bin/sh\n# secret\necho secret > file; chmod 666 file; echo $$; pwd; exec sleep 300\n";
    let other = fake.run(1, of("blue", JobSpec { script: script.to_vec(), ..command(&[]) })).await;
    let told = fake
        .until("the other to run", |memory| {
            let text = String::from_utf8(memory.output(other, Stream::Stdout)).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() == 2).then_some(lines)
        })
        .await;
    let (pid, folder): (i32, &str) = (told[0].parse().unwrap(), &told[1]);
    let tries = format!(
        "id -u; (cat {folder}/file; ls {folder}; echo x > {folder}/file; ls {data}; cat {data}/identity.toml; \
         ls {data}/executor; cat {data}/users; cat {data}/scripts/1; ls {data}/scripts {data}/work; kill -9 $PPID; \
         kill -9 {pid}; cat /proc/$PPID/environ; cat /proc/{pid}/environ; id -G | grep -w 0) 2>/dev/null; \
         echo own > \"$HOME/file\" && cat file; echo \"$TMPDIR\"; \
         echo saved > $REPOWER_CHECKPOINT_DIR/state && cat $REPOWER_CHECKPOINT_DIR/state; echo alive"
    );
    let own = fake.run(2, of("red", JobSpec { checkpoint: true, ..shell(&tries) })).await;

    assert_eq!(outcome(&fake, own).await.exit_code, 0);
    let text = said(&fake, own);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].parse::<u32>().unwrap() >= 200_000, "{text}");
    assert_eq!(lines[1], "own", "{text}");
    assert!(lines[2].starts_with(&data), "{text}");
    assert_eq!(lines[3..], ["saved", "alive"], "{text}");
    assert!(runs(pid), "nobody has ended the task of the other project");
    // What a class that may be root has, and every job of before.
    let root = JobSpec { project: "red".into(), ..shell("id -u; echo $HOME") };
    let root = fake.run(3, root).await;
    assert_eq!(outcome(&fake, root).await.exit_code, 0);
    let text = said(&fake, root);
    assert!(text.starts_with("0\n") && !text.contains(&data), "{text}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_the_node_is_entered_as_the_user_of_the_project_and_its_files_are_not_touched()
{
    let fake = Fake::start().await;
    let house = house(&fake);
    let closed = house.folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::write(closed.join("secret"), "secret").unwrap();
    std::fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    let at = |folder: &str, spec| JobSpec { working_folder: folder.into(), ..of("red", spec) };
    let closed = closed.to_str().unwrap();

    let open = fake.run(1, at("/usr", shell("pwd"))).await;
    let refused = fake.run(2, at(closed, shell("cat secret"))).await;
    let taken = JobSpec { outputs: vec!["secret".into()], ..shell("true") };
    let taken = fake.run(3, at(closed, taken)).await;

    assert_eq!(outcome(&fake, open).await.exit_code, 0);
    assert_eq!(said(&fake, open), "/usr\n");
    let told = outcome(&fake, refused).await;
    assert_eq!(told.kind(), OutcomeKind::NotStarted, "{told:?}");
    assert!(
        told.detail.contains("may not enter it") && told.detail.contains("that of project"),
        "{told:?}"
    );
    let told = outcome(&fake, taken).await;
    assert!(told.detail.contains("inputs and outputs in a fresh folder"), "{told:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_else_gets_to_the_folders_of_the_agent_a_task_that_is_not_to_be_root_does_not_start()
 {
    let fake = Fake::start().await;
    let house = House::new(&fake);
    std::fs::set_permissions(house.folder.path(), Permissions::from_mode(0o700)).unwrap();
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    assert!(!can(&fake, "isolation.bare"));

    let attempt = fake.run(1, of("red", shell("true"))).await;
    let told = outcome(&fake, attempt).await;

    assert_eq!(told.kind(), OutcomeKind::NotStarted, "{told:?}");
    assert!(told.detail.contains("isolation.bare"), "{told:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_container_has_the_user_of_the_project_and_no_capabilities() {
    let fake = Fake::start().await;
    let house = house(&fake);
    let agent = house.start();
    fake.linked().await;
    if !can(&fake, "container") || !can(&fake, "users") {
        return agent.stop().await.unwrap();
    }
    let image = Image::new();
    let line = "id -u; grep CapEff /proc/self/status | cut -f2; echo x > file && cat file";
    let script = format!("#!/bin/sh\n{line}\n").into_bytes();
    let inside = |spec| JobSpec { image: image.name.clone(), ..spec };

    let attempt = fake.run(1, inside(of("red", JobSpec { script, ..command(&[]) }))).await;

    assert_eq!(outcome(&fake, attempt).await.exit_code, 0);
    let text = said(&fake, attempt);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].parse::<u32>().unwrap() >= 200_000, "{text}");
    assert_eq!(lines[1..], ["0000000000000000", "x"], "{text}");
    agent.stop().await.unwrap();
}
