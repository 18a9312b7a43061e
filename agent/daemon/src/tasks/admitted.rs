//! What the detector is told of the inputs of jobs, so that it notices when a task runs another program in the place of
//! one that was admitted.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use repower_model::{Hash, InputFile, JobId};
use repower_proto::v1::{AdmittedFile, AdmittedFiles};

use super::files::Wanted;

/// The most inputs of a job that are told.
const FILES: usize = 64;

/// The most bytes of their paths.
const PATHS: usize = 4096;

/// The most inputs that are told at once, but for those of the last job.
const AT_ONCE: usize = 4096;

/// The most jobs that are told and known: more tasks are not looked at.
const JOBS: usize = 1000;

/// What whoever asks is told, because it does not know it.
#[derive(Debug)]
pub(super) struct Untold {
    /// What it knows, and what it is told.
    known: BTreeSet<JobId>,
    told: Vec<AdmittedFiles>,
    /// Jobs of which there is nothing to tell: many tasks may be of one.
    silent: BTreeSet<JobId>,
    room: usize,
}

impl Untold {
    pub(super) fn new(known: &[u64]) -> Self {
        let known = known.iter().copied().map(JobId).collect();
        Self { known, told: Vec::new(), silent: BTreeSet::new(), room: AT_ONCE }
    }

    /// Tells of the inputs of a job, if there is room.
    pub(super) fn add(&mut self, job: JobId, wanted: &Wanted) {
        let is_done = self.known.contains(&job) || self.silent.contains(&job);
        if self.room == 0 || self.known.len() >= JOBS || is_done {
            return;
        }
        let files = wanted.admitted(job);
        if files.is_empty() {
            self.silent.insert(job);
            return;
        }
        self.known.insert(job);
        self.room = self.room.saturating_sub(files.len());
        self.told.push(AdmittedFiles { job: job.0, files });
    }

    pub(super) fn told(self) -> Vec<AdmittedFiles> {
        self.told
    }
}

/// The inputs that are single files and lie where they were put: the first of them, in order. What a later input is
/// put over is none of them.
pub(super) fn files(inputs: &[InputFile], digests: &[Hash]) -> Vec<AdmittedFile> {
    let (mut later, mut files) = (BTreeSet::new(), Vec::new());
    for (input, digest) in inputs.iter().zip(digests).rev() {
        let path = plain(&input.path);
        let is_covered = path.ancestors().any(|above| later.contains(above));
        if !input.unpack && !is_covered {
            let path = path.to_string_lossy().into_owned();
            files.push(AdmittedFile { path, digest: digest.0.to_vec() });
        }
        later.insert(path);
    }
    let mut bytes = 0;
    let has_room = |file: &AdmittedFile| {
        bytes += file.path.len();
        bytes <= PATHS
    };
    files.into_iter().rev().take(FILES).take_while(has_room).collect()
}

/// A path as the kernel would name it, without what leads nowhere.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().filter(|one| *one != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use repower_model::Source;

    use super::*;

    fn input(path: &str, unpack: bool) -> InputFile {
        let source = Source::Stored { digest: Hash([0; 32]), bytes: 0 };
        InputFile { source, path: path.into(), unpack, executable: false }
    }

    fn told(inputs: &[InputFile]) -> Vec<(String, u8)> {
        let digests: Vec<Hash> = (0..=u8::MAX).map(|number| Hash([number; 32])).collect();
        let files = files(inputs, &digests[..inputs.len()]);
        files.into_iter().map(|file| (file.path, file.digest[0])).collect()
    }

    #[test]
    fn single_files_are_told_with_their_digests_and_folders_are_not() {
        let inputs = [input("bin/run", false), input("data", true), input("./x//y/.", false)];

        assert_eq!(told(&inputs), [("bin/run".to_owned(), 0), ("x/y".to_owned(), 2)]);
        assert_eq!(files(&inputs, &[]), [], "they are not here yet");
    }

    #[test]
    fn what_a_later_input_is_put_over_is_not_told() {
        let inputs = [
            input("twice", false),
            input("tree/leaf", false),
            input("./twice", false),
            input("tree", true),
            input("tree/after", false),
        ];

        assert_eq!(told(&inputs), [("twice".to_owned(), 2), ("tree/after".to_owned(), 4)]);
        assert_eq!(told(&[input("run", false), input(".", true)]), []);
    }

    #[test]
    fn of_many_inputs_the_first_are_told_and_of_long_paths_as_many_as_there_is_room_for() {
        let many: Vec<_> = (0..100).map(|number| input(&format!("f{number}"), false)).collect();
        let long: Vec<_> =
            (0..20).map(|number| input(&format!("{number:0>1000}"), false)).collect();

        assert_eq!(told(&many).len(), FILES);
        assert_eq!(told(&many).first(), Some(&("f0".to_owned(), 0)));
        assert_eq!(told(&long).len(), 4);
    }
}
