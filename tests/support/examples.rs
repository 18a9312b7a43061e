//! Programs of the examples that tests need.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program;

/// What stands in for a miner: it is built if it is not there, or older than its source.
#[track_caller]
pub(crate) fn stand_in() -> PathBuf {
    let folder = program().parent().unwrap().to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).args(["build", "--quiet"]);
    cargo.args(["-p", "repower-example-stand-in", "--bin", "stand-in", "--target-dir"]);
    cargo.arg(folder.parent().unwrap());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("stand-in")
}
