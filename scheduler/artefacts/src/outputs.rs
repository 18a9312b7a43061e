//! What of a folder is to be brought back.

use std::fs::File;
use std::path::Path;
use std::{fs, io};

use crate::Beneath;

/// The most files that one attempt brings back.
pub const MOST: usize = 4096;

/// The most files and folders that are looked at.
const LOOKED_AT: usize = 1_000_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Paths of files below the folder, in order.
    pub files: Vec<String>,
    /// What was not found or must not leave, each in words.
    pub missing: Vec<String>,
}

const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Checks a pattern: relative, without `..`, and well formed.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    crate::check_path(pattern).map_err(|escape| escape.problem.to_owned())?;
    glob::Pattern::new(pattern).map(drop).map_err(|error| error.msg.to_owned())
}

/// Looks below a folder for the files that match; a folder that matches stands for all files in it. Symbolic links are
/// not followed on the way.
pub fn find(folder: &Path, patterns: &[String]) -> io::Result<Found> {
    let mut found = Found::default();
    let mut matchers = Vec::new();
    for pattern in patterns {
        match glob::Pattern::new(pattern.trim_start_matches("./").trim_end_matches('/')) {
            Ok(matcher) if check_pattern(pattern).is_ok() => {
                matchers.push((pattern, matcher, false));
            }
            Ok(_) | Err(_) => {
                found.missing.push(format!("{pattern}: not a pattern for paths below the folder"));
            }
        }
    }
    let mut looked_at = 0;
    let mut folders = vec![(String::new(), vec![false; matchers.len()])];
    while let Some((below, inherited)) = folders.pop() {
        let path = folder.join(&below);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if below.is_empty() => return Err(error),
            Err(error) => {
                found.missing.push(format!("{below}: {error}"));
                continue;
            }
        };
        for entry in entries {
            let entry = entry?;
            looked_at += 1;
            if looked_at > LOOKED_AT {
                found.missing.push(format!(
                    "the folder has more than {LOOKED_AT} files: not all were looked at"
                ));
                folders.clear();
                break;
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
            let hits: Vec<bool> = matchers
                .iter()
                .zip(&inherited)
                .map(|((_, matcher, _), inherited)| {
                    *inherited || matcher.matches_with(&relative, OPTIONS)
                })
                .collect();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                for ((_, _, used), hit) in matchers.iter_mut().zip(&hits) {
                    *used |= hit;
                }
                folders.push((relative, hits));
            } else if hits.contains(&true) {
                for ((_, _, used), hit) in matchers.iter_mut().zip(&hits) {
                    *used |= hit;
                }
                found.files.push(relative);
            }
        }
    }
    found.files.sort_unstable();
    if found.files.len() > MOST {
        let more = found.files.len() - MOST;
        found.missing.push(format!("{more} files after the first {MOST}: too many"));
        found.files.truncate(MOST);
    }
    let unused = matchers.iter().filter(|(_, _, used)| !used);
    found.missing.extend(unused.map(|(pattern, _, _)| (*pattern).clone()));
    Ok(found)
}

/// Opens a file that was found. A symbolic link is followed if it leads to a regular file below the folder.
///
/// # Errors
///
/// Why it must not or cannot leave, in words.
pub fn open(folder: &Beneath, path: &str) -> Result<File, String> {
    let link = folder.path().join(path);
    let is_link = fs::symlink_metadata(&link).is_ok_and(|found| found.is_symlink());
    let opened = if is_link {
        let leads_out = || "a symbolic link that leads out of the folder, or nowhere".to_owned();
        let root = folder.path().canonicalize().map_err(|error| error.to_string())?;
        let target = link.canonicalize().map_err(|_| leads_out())?;
        let target = target.strip_prefix(&root).map_err(|_| leads_out())?;
        folder.read(target.to_str().ok_or_else(leads_out)?)
    } else {
        folder.read(path)
    };
    opened.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::TempDir::new().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        root
    }

    fn patterns(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn patterns_match_names_and_a_folder_stands_for_what_is_in_it() {
        let root = folder(&["a.txt", "b.txt", "c.bin", "out/x", "out/deep/y", "other/z.txt"]);

        let names = |words: &[&str]| find(root.path(), &patterns(words)).unwrap().files;

        assert_eq!(names(&["*.txt"]), ["a.txt", "b.txt"]);
        assert_eq!(names(&["out"]), ["out/deep/y", "out/x"]);
        assert_eq!(names(&["out/"]), ["out/deep/y", "out/x"]);
        assert_eq!(names(&["./**/*.txt"]), ["a.txt", "b.txt", "other/z.txt"]);
        assert_eq!(names(&["o*/*"]), ["other/z.txt", "out/deep/y", "out/x"]);
        assert_eq!(names(&["c.bin", "c.*"]), ["c.bin"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_named() {
        let root = folder(&["a.txt"]);

        let found = find(root.path(), &patterns(&["a.txt", "b.txt", "../x"])).unwrap();

        assert_eq!(found.files, ["a.txt"]);
        assert_eq!(found.missing, ["../x: not a pattern for paths below the folder", "b.txt"]);
    }

    #[test]
    fn links_stay_in_the_folder_or_do_not_leave_it() {
        let (root, outside) = (folder(&["in/file"]), folder(&["secret"]));
        symlink("in/file", root.path().join("good")).unwrap();
        symlink(outside.path().join("secret"), root.path().join("bad")).unwrap();
        symlink(outside.path(), root.path().join("way")).unwrap();

        let found = find(root.path(), &patterns(&["*", "way/*"])).unwrap();
        let beneath = Beneath::open(root.path()).unwrap();
        let read = |path| {
            open(&beneath, path).map(|mut file| {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            })
        };

        assert_eq!(found.files, ["bad", "good", "in/file", "way"]);
        assert_eq!(found.missing, ["way/*"]);
        assert_eq!(read("good").unwrap(), "in/file");
        let out = "a symbolic link that leads out of the folder, or nowhere";
        assert_eq!(read("bad").unwrap_err(), out);
        assert_eq!(read("way").unwrap_err(), out);
    }
}
