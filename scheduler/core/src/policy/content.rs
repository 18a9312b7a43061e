//! What a job would run, as one digest: an approval can be for that alone.

use repower_model::{Egress, Hash, JobSpec};
use sha2::{Digest, Sha256};

/// SHA-256 over all that says what a job runs: command, script, environment, working folder, image,
/// where which inputs lie, isolation, user, and what of the network it reaches. Name, project, amounts, array and times are not in it. `None` if an input
/// comes from elsewhere without a digest: then nobody knows what will run.
///
/// Each part is preceded by its length, so no two jobs give the same bytes.
pub fn content_of(spec: &JobSpec) -> Option<Hash> {
    let mut hasher = Parts(Sha256::new());
    hasher.part(b"repower content 2");
    hasher.list(&spec.command, |word| word.as_bytes().to_vec());
    hasher.part(&spec.script);
    hasher.list(&spec.environment, |one| format!("{}={}", one.name, one.value).into_bytes());
    hasher.part(spec.working_folder.as_bytes());
    hasher.part(spec.image.as_bytes());
    hasher.count(spec.inputs.len());
    for input in &spec.inputs {
        hasher.part(&input.source.digest()?.0);
        hasher.part(input.path.as_bytes());
        hasher.part(&[u8::from(input.unpack), u8::from(input.executable)]);
    }
    hasher.part(spec.isolation.as_str().as_bytes());
    match &spec.egress {
        // A job that was let in has said it: what its class takes at the least.
        None | Some(Egress::Open) => hasher.part(b"open"),
        Some(Egress::None) => hasher.part(b"none"),
        Some(Egress::Only(places)) => {
            hasher.part(b"only");
            hasher.list(places, |place| place.as_bytes().to_vec());
        }
    }
    if spec.project_user {
        // Left out it is what it was before there was a choice.
        hasher.part(b"user of the project");
    }
    Some(Hash(hasher.0.finalize().into()))
}

struct Parts(Sha256);

impl Parts {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn part(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn list<T>(&mut self, all: &[T], bytes: impl Fn(&T) -> Vec<u8>) {
        self.count(all.len());
        for one in all {
            self.part(&bytes(one));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use repower_model::{InputFile, Isolation, Source};

    use super::*;

    fn job(command: &[&str]) -> JobSpec {
        let command = command.iter().map(ToString::to_string).collect();
        JobSpec { command, ..JobSpec::default() }
    }

    #[test]
    fn the_digest_is_of_what_runs_and_not_of_what_it_is_called() {
        let plain = job(&["sha256sum", "-c", "list"]);

        let named = JobSpec { name: "other".into(), project: "x".into(), ..plain.clone() };

        assert_eq!(content_of(&plain), content_of(&named));
        assert_ne!(content_of(&plain), content_of(&job(&["sha256sum", "-clist"])));
        let scripted = JobSpec { script: b"true".into(), ..plain.clone() };
        assert_ne!(content_of(&plain), content_of(&scripted));
    }

    #[test]
    fn what_it_reaches_and_what_it_is_kept_from_is_in_the_digest() {
        let with = |isolation, egress| JobSpec { isolation, egress, ..job(&["./sync"]) };
        let place = |name: &str| Egress::Only(vec![name.to_owned()]);
        let all = [
            with(Isolation::Bare, None),
            JobSpec { project_user: true, ..with(Isolation::Bare, None) },
            with(Isolation::Boxed, None),
            with(Isolation::Sealed, Some(Egress::None)),
            with(Isolation::Sealed, Some(place("a:443"))),
            with(Isolation::Sealed, Some(place("b:443"))),
        ];

        let digests: BTreeSet<_> = all.iter().filter_map(content_of).map(|one| one.0).collect();

        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn words_are_not_run_together() {
        assert_ne!(content_of(&job(&["ab", "c"])), content_of(&job(&["a", "bc"])));
    }

    #[test]
    fn an_input_from_elsewhere_without_a_digest_leaves_it_open() {
        let source = |digest| Source::Url { url: "https://example.org/x".into(), digest };
        let with = |digest| JobSpec {
            inputs: vec![InputFile {
                source: source(digest),
                path: "x".into(),
                unpack: false,
                executable: true,
            }],
            ..job(&["./x"])
        };

        assert_eq!(content_of(&with(None)), None);
        assert!(content_of(&with(Some(Hash([1; 32])))).is_some());
    }
}
