//! The policies that come along as examples, each read and held to what its comments say.

use std::fs;
use std::path::PathBuf;

use repower_core::policy::{
    DEFAULT, Hardest, Policy, Replication, Scope, Since, Tier, Verdict, diff,
};

fn read(name: &str) -> Policy {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policy").join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Policy::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_policy_for_zhejiang_has_its_surcharge_and_forbids_mining_by_two_catalogues() {
    let policy = read("cn-zj.toml");

    let (jurisdiction, tariff) = policy.surcharge().unwrap();
    assert_eq!((jurisdiction, tariff.surcharge_micro_per_kwh), ("CN-ZJ", 500_000));
    assert_eq!((tariff.scope, tariff.since), (Scope::WholeAccount, Since::Month));
    assert_eq!(policy.classes["pow-mining"].tier, Tier::Prohibited);
    assert_eq!(policy.entries_of("pow-mining").len(), 2);
    assert_eq!(policy.classes["hash-heavy"].detector.hardest, Hardest::Hold);
    assert!(policy.classes["software-build"].detector.generated_code);
    assert_eq!(policy.admission.on_unread, Verdict::Review);
}

#[test]
fn the_policy_for_the_union_has_no_surcharge_and_freezes_at_most() {
    let policy = read("eu.toml");

    assert_eq!(policy.surcharge(), None);
    assert_eq!(policy.entries_of("ai-training").len(), 1);
    assert!(policy.classes.values().all(|class| class.detector.hardest == Hardest::Freeze));
    assert_eq!(policy.classes["ai-training"].replication, Replication::Adaptive);
}

#[test]
fn the_plain_policy_says_no_more_than_it_must() {
    let policy = read("plain.toml");

    assert_eq!(policy.jurisdictions, Vec::<String>::new());
    assert_eq!(policy.runnable(), ["ai", "hash-heavy", "media", "science"]);
    assert!(policy.scheduling == Policy::parse(DEFAULT).unwrap().scheduling);
}

#[test]
fn every_file_of_the_folder_is_a_policy_and_differs_from_the_built_in_one() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policy");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    let built_in = Policy::parse(DEFAULT).unwrap();

    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert!(!diff(&built_in, &read(&name)).is_empty(), "{name}");
    }
}
