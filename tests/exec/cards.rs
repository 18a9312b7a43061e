//! Commands beside tasks with GPUs: they can use what the task can.

use super::support::by_hand::Cell;
use super::support::shared::scratch;
use super::{can, exec, running};

/// Harmless devices stand in for the cards of that agent.
const CARDS: &str = include_str!("../../agent/daemon/tests/agent/cards.sh");

#[test]
fn a_command_beside_a_task_opens_the_gpus_of_that_task_only() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let by = ["unshare", "--mount", "--propagation", "private", "sh", "-c", CARDS];
    cell.add_agent_by(&by, "n1", &["--cpus", "2", "--extra", "gpu=2"]);
    let cli = &cell.cli;
    if !can(cli, "devices") || !can(cli, "isolation.boxed") {
        return;
    }
    let line = "cd /dev; for file in dri/renderD128 dri/renderD129 kfd; do head -c0 < $file && echo $file; done; \
                echo $REPOWER_GPUS; true";

    let bare = running(cli, &["--extra", "gpu=1"]);
    let boxed = running(cli, &["--extra", "gpu=1", "--isolation", "boxed"]);
    let said = [&bare, &boxed].map(|job| exec(cli, job, b"", line).ok().out);

    assert_eq!(said, ["dri/renderD128\nkfd\n0\n", "dri/renderD129\nkfd\n1\n"]);
    cli.run(&["cancel", &bare, &boxed]).ok();
    cli.run(&["wait", &bare, &boxed]);
}
