//! What an engine is told. What it then does, the tests of the agent show with a real one.

use std::ffi::OsString;
use std::path::Path;

use super::*;

pub(super) fn plan() -> Plan<'static> {
    Plan {
        name: "repower-1-2-3".into(),
        mark: "repower-1",
        image: "localhost/one@sha256:00",
        program: vec!["sh".into(), "-c".into(), "exit 7".into()],
        variables: Vec::new(),
        scratch: Path::new("/nowhere"),
        mounts: vec![Mount::here(Path::new("/data/inputs"), Shown::ToRead)],
        working_folder: "/data/work/1".into(),
        user: (200_000, 200_001),
        has_capabilities: false,
        network: Network::None,
        devices: Vec::new(),
        groups: Vec::new(),
        group: Path::new("/repower/7"),
        processors: None,
        shared_memory: Some(1 << 20),
    }
}

fn words(plan: &Plan<'_>) -> Vec<String> {
    let arguments = plan.arguments(Path::new("/v.env"), "label");
    arguments.into_iter().map(|word| OsString::into_string(word).unwrap()).collect()
}

fn has(words: &[String], option: &str, value: &str) -> bool {
    words.windows(2).any(|pair| pair[0] == option && pair[1] == value)
}

#[test]
fn a_container_has_the_devices_of_its_task_and_the_groups_that_may_use_them() {
    let card = (Path::new("/elsewhere/renderD128"), Path::new("/dev/dri/renderD128"));
    let words = words(&Plan { devices: vec![card], groups: vec![105], ..plan() });

    assert!(has(&words, "--device", "/elsewhere/renderD128:/dev/dri/renderD128:rwm"));
    assert!(has(&words, "--group-add", "105"));
}

#[test]
fn a_container_is_asked_for_with_the_user_the_group_and_the_network_of_its_task() {
    let words = words(&plan());

    assert!(has(&words, "--user", "200000:200001"));
    assert!(has(&words, "--cgroup-parent", "/repower/7"));
    assert!(has(&words, "--network", "none"));
    assert!(has(&words, "--cap-drop", "all"));
    assert!(has(&words, "--security-opt", "no-new-privileges"));
    assert!(has(&words, "--mount", "type=bind,source=/data/inputs,target=/data/inputs,readonly"));
    assert!(has(&words, "--shm-size", "1048576b"));
}

#[test]
fn the_job_says_what_runs_and_not_the_image() {
    let words = words(&plan());

    assert!(has(&words, "--entrypoint", FRONT_PATH));
    assert_eq!(words[words.len() - 4..], ["localhost/one@sha256:00", "sh", "-c", "exit 7"]);
}

#[test]
fn nothing_is_fetched_while_a_task_waits_for_its_container() {
    assert!(has(&words(&plan()), "--pull", "never"));
}

#[test]
fn a_container_that_reaches_named_places_joins_their_network_and_has_processors_of_its_own() {
    let network = Network::Joined("/proc/7/fd/9".into());
    let words = words(&Plan { network, processors: Some("0-1".into()), ..plan() });

    assert!(has(&words, "--network", "ns:/proc/7/fd/9"), "{words:?}");
    assert!(has(&words, "--dns-option", "timeout:1"), "{words:?}");
    assert!(has(&words, "--cpuset-cpus", "0-1"), "{words:?}");
}

#[test]
fn docker_is_not_asked_for_a_container_in_a_network_that_was_made_for_it() {
    let docker = Engine::at(Path::new("/no/such/docker"), "".as_ref()).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let network = Network::Joined("/proc/7/fd/9".into());

    let refused = docker.create(&Plan { network, scratch: folder.path(), ..plan() }).unwrap_err();

    assert!(refused.to_string().contains("reach named places only"), "{refused}");
    assert!(!docker.joins_networks());
}
