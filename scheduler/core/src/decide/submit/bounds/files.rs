//! Bounds on the files that a job brings along and gets back.

use std::collections::BTreeSet;

use repower_model::{InputFile, JobSpec, Source};

use super::{bad, out, text};
use crate::refusal::Refusal;

/// Longest path below a working folder, and longest pattern.
const MOST_PATH: usize = 1024;
/// Longest address of an input.
const MOST_URL: usize = 2048;
/// From where inputs come, besides the store.
const SCHEMES: [&str; 4] = ["http://", "https://", "s3://", "file:///"];

/// Checks inputs and patterns of outputs.
pub(super) fn check(spec: &JobSpec) -> Result<(), Refusal> {
    let most = JobSpec::FILES;
    for (what, count) in [
        ("the number of inputs", spec.inputs.len()),
        ("the number of patterns of outputs", spec.outputs.len()),
    ] {
        if count > most {
            return out(what, count, format!("at most {most}"));
        }
    }
    let mut places = BTreeSet::new();
    for input in &spec.inputs {
        place("the place of an input", &input.path)?;
        source(input)?;
        let names: Vec<&str> = names(&input.path).collect();
        if !places.insert(names) {
            return bad("the place of an input", "is the place of another input, too");
        }
    }
    spec.outputs.iter().try_for_each(|pattern| place("a pattern of outputs", pattern))
}

/// Checks that a path leads to something below the working folder.
fn place(what: &'static str, path: &str) -> Result<(), Refusal> {
    text(what, path, MOST_PATH)?;
    if path.starts_with('/') {
        return bad(what, "is absolute, but must be relative to the working folder");
    }
    if path.split('/').any(|name| name == "..") {
        return bad(what, "has `..` in it, which could lead out of the working folder");
    }
    if names(path).next().is_none() {
        return bad(what, "names the working folder itself");
    }
    Ok(())
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

fn source(input: &InputFile) -> Result<(), Refusal> {
    let Source::Url { url, .. } = &input.source else { return Ok(()) };
    text("the address of an input", url, MOST_URL)?;
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        let problem = "must begin with http://, https://, s3:// or file:///";
        return bad("the address of an input", problem);
    }
    if url
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')))
    {
        let problem = "has a name or password in it, which the ledger would keep for ever";
        return bad("the address of an input", problem);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use repower_model::Hash;

    use super::*;

    fn stored(path: &str) -> InputFile {
        let source = Source::Stored { digest: Hash([7; 32]), bytes: 1 };
        InputFile { source, path: path.into(), unpack: false, executable: false }
    }

    fn problem(spec: &JobSpec) -> String {
        check(spec).unwrap_err().to_string()
    }

    #[test]
    fn places_of_inputs_and_patterns_of_outputs_stay_in_the_working_folder() {
        for path in ["/etc/passwd", "../x", "a/../../x", ".", "a\nb", ""] {
            let inputs = JobSpec { inputs: vec![stored(path)], ..JobSpec::default() };
            let outputs = JobSpec { outputs: vec![path.into()], ..JobSpec::default() };
            assert!(problem(&inputs).starts_with("the place of an input"), "{path:?}");
            assert!(problem(&outputs).starts_with("a pattern of outputs"), "{path:?}");
        }
        let fine = JobSpec {
            inputs: vec![stored("./data/x..y")],
            outputs: vec!["out/**/*.csv".into()],
            ..JobSpec::default()
        };
        assert_eq!(check(&fine), Ok(()));
    }

    #[test]
    fn two_inputs_have_two_places() {
        let spec = JobSpec { inputs: vec![stored("a/b"), stored("./a//b")], ..JobSpec::default() };

        assert!(problem(&spec).ends_with("is the place of another input, too"));
    }

    #[test]
    fn an_input_comes_from_the_store_or_from_a_known_kind_of_address_without_secrets() {
        let from = |url: &str| {
            let source = Source::Url { url: url.into(), digest: None };
            let input = InputFile { source, ..stored("x") };
            check(&JobSpec { inputs: vec![input], ..JobSpec::default() })
        };

        for url in ["https://a.example/x@y", "http://a/x", "s3://bucket/x", "file:///data/x"] {
            assert_eq!(from(url), Ok(()), "{url}");
        }
        for url in ["ftp://a/x", "file://host/x", "/data/x", "https://me:secret@a.example/x"] {
            assert!(from(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let inputs = (0..=JobSpec::FILES).map(|number| stored(&number.to_string())).collect();

        let refusal = check(&JobSpec { inputs, ..JobSpec::default() }).unwrap_err();

        assert!(matches!(refusal, Refusal::OutOfBounds { what: "the number of inputs", .. }));
    }
}
