//! A cluster on this machine, as `repower dev` keeps it.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use repower::cluster::{Cluster, Plan};
use repower_proto::v1::JobState;
use support::{ended, program, runtime, shell, submit};

#[test]
fn a_cluster_that_was_ended_goes_on_in_its_folder_with_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |agents| Plan {
        program: program(),
        folder: folder.path().to_owned(),
        agents,
        cpus: Some(2),
        no_exec: false,
        lease: Duration::from_secs(15),
        more: toml::Table::new(),
    };
    runtime().block_on(async {
        let first = Cluster::start(plan(1)).await.unwrap();
        let before = submit(&first.client().await.unwrap(), shell("true")).await;
        ended(&first.client().await.unwrap(), before).await;
        first.stop().await;

        let again = Cluster::start(plan(2)).await.unwrap();
        let client = again.client().await.unwrap();
        let known = ended(&client, before).await;
        let after = submit(&client, shell("true")).await;
        let new = ended(&client, after).await;

        assert_eq!((known.state(), new.state()), (JobState::Succeeded, JobState::Succeeded));
        assert!(after > before, "the ledger went on");
        support::verified(&again);
        again.stop().await;
    });
}
