use repower_proto::v1::{Gang, JobSpec, JobSummary};

use super::*;

fn artefact(path: &str) -> Artefact {
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let digest = repower_artefacts::parse_digest(digest).expect("a digest");
    Artefact { path: path.into(), bytes: 5, digest: digest.0.to_vec() }
}

#[test]
fn tasks_and_ranks_have_folders_where_there_are_several() {
    let reply = |tasks, gang| ShowJobReply {
        summary: Some(JobSummary { tasks, ..JobSummary::default() }),
        spec: Some(JobSpec { gang, ..JobSpec::default() }),
        ..ShowJobReply::default()
    };
    let kept = KeptOutputs { index: 3, rank: 1, ..KeptOutputs::default() };
    let gang = Some(Gang { nodes: 2, ranks_per_node: 0, layout: 0 });
    let place =
        |reply: &ShowJobReply, index, rank| Layout::of(reply, index, rank).place(&kept, "out/x");

    assert_eq!(place(&reply(1, None), None, None), "out/x");
    assert_eq!(place(&reply(4, None), None, None), "3/out/x");
    assert_eq!(place(&reply(4, None), Some(3), None), "out/x");
    assert_eq!(place(&reply(4, gang), None, None), "3/1/out/x");
    assert_eq!(place(&reply(4, gang), Some(3), Some(1)), "out/x");
}

#[test]
fn what_is_there_is_the_same_or_another_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let standing = |name| {
        Target::new(folder.path(), name, &artefact(name))
            .expect("a target")
            .standing()
            .expect("read")
    };
    for (name, text) in [("same", "hello"), ("other", "hullo"), ("longer", "hello!")] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    std::os::unix::fs::symlink("same", folder.path().join("link")).expect("linked");

    assert_eq!(standing("same"), Standing::Same);
    assert_eq!(standing("absent"), Standing::Absent);
    for name in ["other", "longer", "link"] {
        assert_eq!(standing(name), Standing::Other, "{name}");
    }
}

#[test]
fn a_path_that_leads_out_is_refused_whatever_the_scheduler_says() {
    let folder = tempfile::tempdir().expect("a folder");

    for path in ["../x", "/etc/x", "a/../../x"] {
        let error = Target::new(folder.path(), path, &artefact(path)).expect_err("out");
        assert!(matches!(error, FetchError::Escape(_)), "{error}");
    }
}
