//! Inputs from here: what they are, and how they get to the scheduler's store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_agent::transfer::{self, Failure as Broken, Pace};
use repower_artefacts::{Fault, archive, hash_file};
use repower_model::Hash;
use repower_proto::v1;

use crate::client::{Client, Patience};
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::input::{From, Input};
use crate::render::transfer::Bar;

/// How long a transfer that makes no progress is tried again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an input from here cannot go along.
#[derive(Debug, thiserror::Error)]
pub(in crate::command) enum InputError {
    #[error("cannot read the input {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the input {} is neither a file nor a folder", path.display())]
    Kind { path: PathBuf },
    #[error("the folder {} cannot be packed", path.display())]
    Pack { path: PathBuf, source: archive::Problem },
    #[error("the input {} cannot be read", path.display())]
    Fault { path: PathBuf, source: Fault },
    #[error("the input {} has changed while it was sent", path.display())]
    Changed { path: PathBuf },
}

impl Explain for InputError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } => "check its name and permissions".to_owned(),
            Self::Kind { .. } => "pipes, sockets and devices cannot go along".to_owned(),
            Self::Pack { source: archive::Problem::Link { .. }, .. } => {
                "replace the link by what it leads to".to_owned()
            }
            Self::Pack { .. } => "remove or repair what is named above".to_owned(),
            Self::Fault { source, .. } => source.hint().to_owned(),
            Self::Changed { .. } => "submit again when nobody writes it any more".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::Kind { .. } | Self::Pack { .. } => Exit::USAGE,
            Self::Fault { .. } | Self::Changed { .. } => Exit::FAILED,
        }
    }
}

/// Inputs from here, by what they are.
#[derive(Debug, Default)]
pub(in crate::command) struct Uploads(BTreeMap<Hash, Upload>);

#[derive(Debug)]
struct Upload {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Uploads {
    /// Looks at the inputs: those from here are read once, and what a job says of all is returned.
    pub(in crate::command) fn gather(
        inputs: &[Input],
    ) -> Result<(Vec<v1::InputFile>, Self), InputError> {
        let mut uploads = Self::default();
        let said = inputs.iter().map(|input| match &input.from {
            From::Url { .. } => Ok(input.elsewhere().unwrap_or_default()),
            From::Path(path) => uploads.add(input, path),
        });
        let said = said.collect::<Result<_, _>>()?;
        Ok((said, uploads))
    }

    fn add(&mut self, input: &Input, path: &Path) -> Result<v1::InputFile, InputError> {
        let unreadable = |source| InputError::Read { path: path.to_owned(), source };
        let found = fs::metadata(path).map_err(unreadable)?;
        let mut file = if found.is_dir() {
            packed(path)?
        } else if found.is_file() {
            File::open(path).map_err(unreadable)?
        } else {
            return Err(InputError::Kind { path: path.to_owned() });
        };
        let fault = |source| InputError::Fault { path: path.to_owned(), source };
        let (digest, bytes) = hash_file(&mut file, path).map_err(fault)?;
        let upload = Upload { file, path: path.to_owned(), bytes };
        self.0.insert(digest, upload);
        Ok(v1::InputFile {
            digest: digest.0.to_vec(),
            bytes,
            url: String::new(),
            path: input.to.clone(),
            unpack: found.is_dir() || input.unpack,
            executable: found.is_file() && found.permissions().mode() & 0o100 != 0,
        })
    }

    /// Brings what the store does not have there. An interrupted transfer goes on, also one of an earlier command.
    pub(in crate::command) async fn send(
        self,
        client: &Client,
        quiet: bool,
    ) -> Result<(), Failure> {
        for (digest, Upload { file, path, bytes }) in self.0 {
            let bar = if quiet { Bar::none() } else { Bar::upload(&path, bytes) };
            let mut patience = Patience::of(PATIENCE);
            let (mut service, pace) = (client.artefacts(), Pace::default());
            loop {
                let file = file
                    .try_clone()
                    .map_err(|source| InputError::Read { path: path.clone(), source })?;
                let before = bar.position();
                let what = (digest, bytes);
                let sent = transfer::upload(&mut service, file, what, |at| bar.at(at), &pace).await;
                match sent {
                    Ok(_) => break,
                    Err(Broken::Read(source)) => {
                        return Err(InputError::Read { path, source }.into());
                    }
                    Err(Broken::Changed) => return Err(InputError::Changed { path }.into()),
                    Err(Broken::Write(fault)) => {
                        return Err(InputError::Fault { path, source: fault }.into());
                    }
                    Err(Broken::Call(status)) => {
                        if bar.position() > before {
                            patience = Patience::of(PATIENCE);
                        }
                        if !(transfer::may_pass(&status) && patience.wait().await) {
                            bar.end();
                            return Err(client.refused(&status).into());
                        }
                    }
                }
            }
            bar.end();
        }
        Ok(())
    }
}

/// A folder as a tar, in a file that nobody else sees.
fn packed(folder: &Path) -> Result<File, InputError> {
    let io = |source| InputError::Read { path: folder.to_owned(), source };
    let mut file = tempfile::tempfile().map_err(io)?;
    let pack = |source| InputError::Pack { path: folder.to_owned(), source };
    archive::pack(folder, io::BufWriter::with_capacity(1 << 18, &mut file)).map_err(pack)?;
    file.flush().and_then(|()| file.rewind()).map_err(io)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use repower_artefacts::Hasher;

    use super::*;

    fn gather(folder: &Path, words: &[&str]) -> Result<Vec<v1::InputFile>, InputError> {
        let inputs =
            words.iter().map(|word| word.parse::<Input>().expect("an input").relative_to(folder));
        Uploads::gather(&inputs.collect::<Vec<_>>()).map(|(said, _)| said)
    }

    #[test]
    fn files_folders_and_addresses_are_said_in_their_own_ways() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("run"), "#!/bin/sh\n").expect("written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path().join("run"), mode).expect("set");
        fs::create_dir(folder.path().join("data")).expect("made");
        fs::write(folder.path().join("data/x"), "x").expect("written");

        let said = gather(folder.path(), &["run:bin/run", "data", "https://h/x"]).expect("said");

        let mut hasher = Hasher::default();
        hasher.update(b"#!/bin/sh\n");
        assert_eq!(said[0].digest, hasher.finish().0);
        assert_eq!((said[0].path.as_str(), said[0].bytes), ("bin/run", 10));
        assert_eq!((said[0].executable, said[0].unpack), (true, false));
        assert_eq!((said[1].executable, said[1].unpack), (false, true));
        assert_eq!((said[2].url.as_str(), said[2].bytes), ("https://h/x", 0));
    }

    #[test]
    fn what_is_not_there_or_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");

        let missing = gather(folder.path(), &["nothing"]).expect_err("it is not there");
        let device = gather(Path::new("/"), &["dev/null"]).expect_err("a device");

        assert!(matches!(missing, InputError::Read { .. }), "{missing}");
        assert!(matches!(device, InputError::Kind { .. }), "{device}");
    }
}
