//! The room table of ARCHITECTURE.md, held against the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Room {
    folder: String,
    package: String,
    floor: u32,
    libraries: Option<Vec<String>>,
    touches: Vec<String>,
}

/// Marks in the source of parts of the world, each by its word in the table.
const WORLD: &[(&str, &[&str])] = &[
    ("files", &["std::fs", "tokio::fs", "fs::File", "rusqlite", "OpenOptions"]),
    ("network", &["std::net::Tcp", "std::net::Udp", "tokio::net", "tonic::transport::Channel"]),
    ("clock", &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"]),
    ("threads", &["std::thread", "tokio::", "std::sync::mpsc"]),
    ("logs", &["tracing::"]),
    ("terminal", &["println!", "print!", "stdout()", "stderr()", "stdin()"]),
    ("randomness", &["getrandom", "rand::", "new_v4", "SystemRandom"]),
    ("processes", &["std::process", "tokio::process", "rustix::process"]),
    ("environment", &["env::var", "env::args", "env::current_dir", "env::vars"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rooms() -> Vec<Room> {
    let page = read(&root().join("ARCHITECTURE.md"));
    let table =
        page.split("| room | package | floor |").nth(1).expect("the page has the room table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rooms: Vec<Room> = rows.map(room).collect();
    assert!(rooms.len() >= 9, "the table has {} rooms", rooms.len());
    rooms
}

fn room(row: &str) -> Room {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let words = |cell: &str| cell.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    Room {
        folder: cells[0].trim_matches('`').to_owned(),
        package: cells[1].to_owned(),
        floor: cells[2].parse().expect("a floor is a number"),
        libraries: (cells[3] != "any").then(|| words(cells[3])),
        touches: words(cells[4]),
    }
}

fn manifest(room: &Room) -> toml::Table {
    let folder = if room.folder == "src" { root() } else { root().join(&room.folder) };
    read(&folder.join("Cargo.toml")).parse().expect("a manifest is TOML")
}

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a room has sources") {
        let path = entry.expect("a folder can be read").path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The shipping part of a source file: without its unit tests and without comments.
fn shipping(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_crate_of_the_workspace_has_a_room() {
    let page = rooms();
    let root: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let members = root["workspace"]["members"].as_array().unwrap();

    for member in members.iter().filter_map(toml::Value::as_str) {
        let known = page.iter().any(|room| room.folder == member);
        assert!(known || member.starts_with("examples/"), "{member} has no row in ARCHITECTURE.md");
    }
    for room in &page {
        assert_eq!(manifest(room)["package"]["name"].as_str(), Some(room.package.as_str()));
    }
}

#[test]
fn a_crate_depends_on_lower_floors_only() {
    let rooms = rooms();
    let floors: BTreeMap<&str, u32> =
        rooms.iter().map(|room| (room.package.as_str(), room.floor)).collect();

    for room in &rooms {
        for name in dependencies(&manifest(room)) {
            let Some(floor) = floors.get(name.as_str()) else {
                continue;
            };
            let excepted = room.package == "repower-sim" && name == "repower-store";
            assert!(
                *floor < room.floor || excepted,
                "{} depends on {name}, floor {floor}",
                room.package
            );
        }
    }
}

#[test]
fn pure_rooms_use_the_libraries_that_the_table_names() {
    for room in rooms() {
        let Some(allowed) = &room.libraries else {
            continue;
        };
        for name in dependencies(&manifest(&room)) {
            let ours = name.starts_with("repower-");
            assert!(ours || allowed.contains(&name), "{} uses {name}", room.package);
        }
    }
}

#[test]
fn a_room_touches_only_what_the_table_lets_it_touch() {
    for room in rooms() {
        let folder = if room.folder == "src" {
            root().join("src")
        } else {
            root().join(&room.folder).join("src")
        };
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files {
            let code = shipping(&read(&file));
            for (word, marks) in
                WORLD.iter().filter(|(word, _)| !room.touches.iter().any(|one| one == word))
            {
                let mark = marks.iter().find(|mark| code.contains(**mark));
                assert!(
                    mark.is_none(),
                    "{} names {mark:?}: {word} is not for {}",
                    file.display(),
                    room.folder
                );
            }
        }
    }
}

#[test]
fn the_clock_is_read_in_one_file_of_each_driver() {
    for room in rooms() {
        let folder = if room.folder == "src" {
            root().join("src")
        } else {
            root().join(&room.folder).join("src")
        };
        let mut files = Vec::new();
        sources(&folder, &mut files);
        let clock = WORLD.iter().find(|(word, _)| *word == "clock").expect("it is listed").1;
        for file in files {
            let code = shipping(&read(&file));
            let reads = clock.iter().any(|mark| code.contains(mark));
            let named = file.file_name().is_some_and(|name| name == "clock.rs");
            assert!(!reads || named, "{} reads the clock", file.display());
        }
    }
}
