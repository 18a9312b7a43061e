//! Pictures of replays: whole, bounded, and naming what they show.

use std::path::Path;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::plot::{Scene, Series, Window, draw};
use repower_sim::replay::{Replay, Setup, policy_text, replay};
use repower_sim::trace::{Machine, ProjectBy, Workload, swf};

fn played(discipline: Discipline, workload: &Workload, machine: &Machine) -> Replay {
    let mut setup = Setup::new(machine, policy_text(discipline));
    setup.sampled = true;
    replay(workload, &setup, &mut |_| {}).expect("every job can run")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a picture")
}

#[test]
fn a_replay_gives_three_kinds_of_pictures_and_says_what_cannot_be_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/synth64.swf");
    let mut workload = swf::read(&path, ProjectBy::Project).unwrap();
    workload.window(0, Some(300));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new");
    let (small, large) = (Machine::uniform(1, 64), Machine::uniform(100, 64));
    let (one, other) =
        (played(Discipline::Fcfs, &workload, &small), played(Discipline::Easy, &workload, &small));
    let series = [Series { name: "fcfs", replay: &one }, Series { name: "easy", replay: &other }];
    let window = Window { from: Span::ZERO, length: Span::from_secs(86_400) };
    let scene = Scene { workload: &workload, machine: &small, series: &series, window };

    let gallery = draw(&folder, &scene).unwrap();

    let names: Vec<_> =
        gallery.pictures.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["timeline.svg", "waits.svg", "gantt-fcfs.svg", "gantt-easy.svg"]);
    for path in &gallery.pictures {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{path:?}");
        assert!(text.contains("fcfs") || text.contains("easy"), "{path:?} says what it shows");
        assert!(text.len() < 1 << 20, "{path:?} has {} bytes", text.len());
    }

    assert!(!read(&gallery.pictures[2]).contains("\nn1\n"), "one node needs no name");
    let mut shared = workload.clone();
    shared.projects = vec!["vision".into(), "the-others".into()];
    shared.jobs.iter_mut().for_each(|job| job.project = (job.id % 2) as u32);
    let rooms = Machine::uniform(4, 64);
    let spread = played(Discipline::Easy, &shared, &rooms);
    let series = [Series { name: "easy", replay: &spread }];
    let several = Scene { workload: &shared, machine: &rooms, series: &series, window };
    let named = read(&draw(&folder, &several).unwrap().pictures[2]);
    for name in ["vision", "the-others", "n1", "n4"] {
        assert!(named.contains(&format!("\n{name}\n")), "{name} is named");
    }

    let beyond = Window { from: Span::from_secs(86_400 * 9999), length: window.length };
    let left = draw(&folder, &Scene { window: beyond, ..scene }).unwrap().left_out;
    assert_eq!(left[0], "gantt-fcfs.svg: nothing runs in the window");
    let wide = draw(&folder, &Scene { machine: &large, ..scene }).unwrap().left_out;
    assert_eq!(wide[0], "gantt-fcfs.svg: 6400 processors, but a picture shows at most 4096");
}
