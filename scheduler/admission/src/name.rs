//! Names out of archives, which may be anything.

use repower_model::{InputFile, JobSpec, Mark};

use crate::plain;

/// A place in words: at most [`Mark::LONGEST`] bytes, without control characters.
pub(crate) fn place(before: &str, name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let full = if before.is_empty() { name.into_owned() } else { format!("{before}: {name}") };
    tame(&full)
}

/// The mark of a file that is an input of a job at `path`.
pub fn of_input(path: &str, mark: &Mark) -> Mark {
    let place = place(&format!("input {path}"), mark.place.as_bytes());
    let place = place.trim_end_matches(": ").to_owned();
    Mark { place, ..mark.clone() }
}

/// Names of what runs the file that is its first argument, as they begin.
const INTERPRETERS: [&str; 16] = [
    "python", "pypy", "perl", "ruby", "node", "deno", "bun", "lua", "luajit", "php", "sh", "bash",
    "dash", "zsh", "julia", "Rscript",
];

/// Whether an input of a job is looked at as a program: it is marked as one, named as scripts are, or given to an
/// interpreter.
pub fn is_program(spec: &JobSpec, input: &InputFile) -> bool {
    let is_run = || spec.runs().is_some_and(|run| run.path == input.path) && is_interpreted(spec);
    input.executable || plain::is_script(&input.path) || is_run()
}

/// Whether a job's command begins with an interpreter, of whatever version: `python3.12`.
fn is_interpreted(spec: &JobSpec) -> bool {
    let Some(command) = spec.command.first() else { return false };
    let name = command.rsplit('/').next().unwrap_or(command);
    let name = name.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.');
    INTERPRETERS.contains(&name)
}

/// A text of at most [`Mark::LONGEST`] bytes, without control characters; the end counts most.
pub(crate) fn tame(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.len() <= Mark::LONGEST {
        return clean;
    }
    let most = Mark::LONGEST - "..".len();
    let from = (clean.len() - most..clean.len()).find(|at| clean.is_char_boundary(*at));
    format!("..{}", &clean[from.unwrap_or(clean.len())..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_at_its_beginning_and_cannot_move_a_cursor() {
        let long = place("a.tar", "ä".repeat(1000).as_bytes());

        assert!(long.len() <= Mark::LONGEST && long.starts_with(".."), "{long}");
        assert_eq!(place("a", b"x\x1b[2J\xff"), "a: x\u{fffd}[2J\u{fffd}");
    }
}
