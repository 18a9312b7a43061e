//! Files of jobs, as far as the executor has to do with them: what it wants of its agent, and what goes into folders.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repower_agent_core::Definition;
use repower_artefacts::{Beneath, Folder as Cache, Mode, archive};
use repower_model::{Hash, InputFile, JobId, RankId};
use repower_proto::v1::from_executor::Body as Wish;
use repower_proto::v1::{AbandonOutputs, AdmittedFile, CollectOutputs, ReleaseInputs, StageInputs};

use super::admitted;
use super::failure::Failure;
use super::folders::Folder;

/// What is wanted of the agent. Another agent is asked for all of it once more.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    jobs: BTreeMap<JobId, Inputs>,
    collections: BTreeMap<RankId, CollectOutputs>,
    /// Folders of processes that are over, and whose outputs may still be wanted.
    folders: BTreeMap<RankId, Folder>,
    /// What has not been said yet.
    wishes: VecDeque<Wish>,
}

#[derive(Debug)]
struct Inputs {
    definition: Arc<Definition>,
    /// What they are, in order, once they are here.
    digests: Arc<[Hash]>,
}

impl Wanted {
    /// The inputs of a job are wanted here.
    pub(super) fn stage(&mut self, definition: Arc<Definition>) {
        self.wishes.push_back(Wish::Stage(stage(&definition)));
        self.jobs.insert(definition.job, Inputs { definition, digests: Arc::default() });
    }

    /// They are here.
    pub(super) fn staged(&mut self, job: JobId, digests: &[Vec<u8>]) {
        let hash = |bytes: &Vec<u8>| bytes.as_slice().try_into().map(Hash).ok();
        if let Some(inputs) = self.jobs.get_mut(&job) {
            inputs.digests = digests.iter().filter_map(hash).collect();
        }
    }

    /// What the inputs of a job are, in order.
    pub(super) fn digests(&self, job: JobId) -> Arc<[Hash]> {
        self.jobs.get(&job).map(|inputs| Arc::clone(&inputs.digests)).unwrap_or_default()
    }

    /// What the inputs of a job were admitted as, for the detector.
    pub(super) fn admitted(&self, job: JobId) -> Vec<AdmittedFile> {
        let inputs = self.jobs.get(&job);
        let files = inputs.map(|one| admitted::files(&one.definition.spec.inputs, &one.digests));
        files.unwrap_or_default()
    }

    /// Nothing of a job is here any more.
    pub(super) fn forget(&mut self, job: JobId) {
        if self.jobs.remove(&job).is_some() {
            self.wishes.push_back(Wish::Release(ReleaseInputs { job: job.0 }));
        }
    }

    /// A process is over; its folder stays until its outputs are no longer wanted.
    pub(super) fn keep(&mut self, attempt: RankId, folder: Folder) {
        self.folders.insert(attempt, folder);
    }

    /// The outputs of a process are wanted in the store.
    pub(super) fn collect(&mut self, attempt: RankId, definition: &Definition) {
        let own = self.folders.get(&attempt).map(Folder::path);
        let folder = match definition.spec.working_folder.as_str() {
            "" => own.unwrap_or(Path::new("/nowhere")),
            folder => Path::new(folder),
        };
        let collect = CollectOutputs {
            attempt: Some(attempt.into()),
            folder: folder.as_os_str().as_bytes().to_vec(),
            patterns: definition.spec.outputs.clone(),
        };
        self.wishes.push_back(Wish::Collect(collect.clone()));
        self.collections.insert(attempt, collect);
    }

    /// They are there.
    pub(super) fn collected(&mut self, attempt: RankId) {
        self.collections.remove(&attempt);
    }

    /// They are no longer wanted; returns the folder.
    pub(super) fn discard(&mut self, attempt: RankId) -> Option<Folder> {
        if self.collections.remove(&attempt).is_some() {
            let attempt = Some(attempt.into());
            self.wishes.push_back(Wish::Abandon(AbandonOutputs { attempt }));
        }
        self.folders.remove(&attempt)
    }

    /// There is another agent, which knows of nothing.
    pub(super) fn repeat(&mut self) {
        let stages = self.jobs.values().map(|inputs| Wish::Stage(stage(&inputs.definition)));
        let collections = self.collections.values().cloned().map(Wish::Collect);
        self.wishes = stages.chain(collections).collect();
    }

    /// Something else is wanted of the agent.
    pub(super) fn say(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
    }

    /// The next thing to say to the agent.
    pub(super) fn next_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }
}

fn stage(definition: &Definition) -> StageInputs {
    let inputs = definition.spec.inputs.iter().map(Into::into).collect();
    let image = definition.spec.image.clone();
    StageInputs { job: definition.job.0, inputs, image }
}

/// Puts inputs from the cache into a folder, each as a file of its own: what a task writes changes nothing in the cache.
/// What stands where they go is replaced; nothing on the way there is followed.
pub(super) fn place(
    cache: &Path,
    inputs: &[InputFile],
    digests: &[Hash],
    folder: &Path,
) -> Result<(), Failure> {
    if inputs.is_empty() {
        return Ok(());
    }
    let whole = |source: io::Error| Failure::Input { path: folder.to_owned(), source };
    let beneath = Beneath::open(folder).map_err(whole)?;
    let cache = Cache::open(cache).map_err(|fault| whole(io::Error::other(fault)))?;
    for (number, input) in inputs.iter().enumerate() {
        let failed =
            |source: io::Error| Failure::Input { path: PathBuf::from(&input.path), source };
        let digest = digests.get(number).copied();
        let digest = digest.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let from = cache.read(digest, 0).map_err(|fault| failed(io::Error::other(fault)))?;
        let put = if input.unpack {
            archive::unpack(BufReader::with_capacity(1 << 18, from), &beneath, &input.path)
                .map_err(io::Error::other)
        } else {
            copy(from, &beneath, input)
        };
        put.map_err(failed)?;
    }
    Ok(())
}

/// Copies a file; where the file system can, without copying its bytes.
fn copy(mut from: File, beneath: &Beneath, input: &InputFile) -> io::Result<()> {
    let mode = if input.executable { Mode::Executable } else { Mode::Plain };
    let mut to = beneath.replace(&input.path, mode)?;
    if rustix::fs::ioctl_ficlone(&to, &from).is_err() {
        io::copy(&mut from, &mut to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use repower_artefacts::Hasher;
    use repower_model::Source;

    use super::*;

    /// A cache with one file, and what the file is.
    fn cache(bytes: &[u8]) -> (tempfile::TempDir, Hash) {
        let root = tempfile::TempDir::new().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        let digest = hasher.finish();
        let mut part = cache.part(digest, 0).unwrap();
        part.write(bytes).unwrap();
        cache.admit(&part.seal(Some(digest)).unwrap()).unwrap();
        (root, digest)
    }

    fn input(path: &str, digest: Hash, unpack: bool, executable: bool) -> InputFile {
        let source = Source::Stored { digest, bytes: 0 };
        InputFile { source, path: path.into(), unpack, executable }
    }

    #[test]
    fn files_are_copied_so_that_a_task_cannot_change_the_cache() {
        let (root, digest) = cache(b"#!/bin/sh\n");
        let folder = tempfile::TempDir::new().unwrap();
        let inputs = [input("bin/run", digest, false, true), input("data", digest, false, false)];

        place(root.path(), &inputs, &[digest; 2], folder.path()).unwrap();
        fs::write(folder.path().join("data"), "changed").unwrap();
        let again = [input("again", digest, false, false)];
        place(root.path(), &again, &[digest], folder.path()).unwrap();

        let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!((mode("bin/run") & 0o100, mode("again") & 0o111), (0o100, 0));
        assert_eq!(fs::read_to_string(folder.path().join("again")).unwrap(), "#!/bin/sh\n");
    }

    #[test]
    fn what_an_earlier_attempt_has_left_is_replaced_and_links_are_not_written_through() {
        let (root, digest) = cache(b"new");
        let (folder, outside) =
            (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "kept").unwrap();
        fs::write(folder.path().join("old"), "old").unwrap();
        symlink(&secret, folder.path().join("link")).unwrap();
        symlink(outside.path(), folder.path().join("way")).unwrap();

        let inputs = [input("old", digest, false, false), input("link", digest, false, false)];
        place(root.path(), &inputs, &[digest; 2], folder.path()).unwrap();
        let way = [input("way/file", digest, false, false)];
        let failure = place(root.path(), &way, &[digest], folder.path()).unwrap_err();

        assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "new");
        assert_eq!(fs::read_to_string(folder.path().join("link")).unwrap(), "new");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "kept");
        assert!(matches!(failure, Failure::Input { .. }));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_comes_out_of_its_tar_and_what_is_none_is_a_failure() {
        let from = tempfile::TempDir::new().unwrap();
        fs::write(from.path().join("x"), "inside").unwrap();
        let mut tar = Vec::new();
        archive::pack(from.path(), &mut tar).unwrap();
        let folder = tempfile::TempDir::new().unwrap();

        let (root, digest) = cache(&tar);
        let inputs = [input("deep/data", digest, true, false)];
        place(root.path(), &inputs, &[digest], folder.path()).unwrap();
        place(root.path(), &inputs, &[digest], folder.path()).unwrap();
        let (root, digest) = cache(&[7; 600]);
        let failure = place(root.path(), &inputs, &[digest], folder.path()).unwrap_err();

        assert_eq!(fs::read_to_string(folder.path().join("deep/data/x")).unwrap(), "inside");
        assert_eq!(
            failure.to_string(),
            "cannot put the input deep/data into the task's folder: the bytes are not those of a tar"
        );
    }
}
