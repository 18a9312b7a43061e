//! Inputs of a job: `data.csv`, `data/:training`, `https://host/file#sha256=..:name`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use repower_artefacts::{check_path, parse_digest};
use repower_model::Hash;
use repower_proto::v1;

/// A file or folder from here, or an address from which the node gets a file, and where a task finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it comes from.
    pub from: From,
    /// Where it is put, relative to the working folder.
    pub to: String,
    /// Whether it is a tar, to be unpacked there: the place was written with a `/` at its end.
    pub unpack: bool,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A file or a folder of whoever submits.
    Path(PathBuf),
    /// Fetched by the node.
    Url {
        /// From where.
        url: String,
        /// What it must be.
        digest: Option<Hash>,
    },
}

/// Why a text is not an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Nothing before the colon.
    #[error("`{0}` names no file, folder or address")]
    Nothing(String),
    /// A path without a name at its end, as `..` or `/`.
    #[error("`{0}` does not say by which name tasks shall find it: write `{0}:NAME`")]
    NoName(String),
    /// The place is not below the working folder.
    #[error("`{text}` cannot be put there: its place {problem}")]
    Place {
        /// What was written.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The part after `#` is not a digest.
    #[error("`{0}` has something after its `#` that is not sha256= and 64 hexadecimal digits")]
    Digest(String),
}

impl Input {
    /// The same with a relative path taken from another folder.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        let from = match self.from {
            From::Path(path) => From::Path(folder.join(path)),
            url @ From::Url { .. } => url,
        };
        Self { from, ..self }
    }

    /// What a job says of an address; `None`: it is a path, whose content has to be looked at first.
    pub fn elsewhere(&self) -> Option<v1::InputFile> {
        let From::Url { url, digest } = &self.from else { return None };
        Some(v1::InputFile {
            digest: digest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
            bytes: 0,
            url: url.clone(),
            path: self.to.clone(),
            unpack: self.unpack,
            executable: false,
        })
    }
}

impl FromStr for Input {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        // In an address, a colon counts only after the host.
        let start = text.find("://").map_or(0, |scheme| {
            text[scheme + 3..].find('/').map_or(text.len(), |slash| scheme + 3 + slash)
        });
        let (source, place) = match text[start..].rfind(':') {
            Some(colon) => (&text[..start + colon], Some(&text[start + colon + 1..])),
            None => (text, None),
        };
        if source.is_empty() {
            return Err(InputError::Nothing(text.to_owned()));
        }
        let from = if text.contains("://") {
            let (url, digest) = match source.split_once('#') {
                Some((url, fragment)) => {
                    let digest = fragment.strip_prefix("sha256=").and_then(parse_digest);
                    (url, Some(digest.ok_or_else(|| InputError::Digest(text.to_owned()))?))
                }
                None => (source, None),
            };
            From::Url { url: url.to_owned(), digest }
        } else {
            From::Path(PathBuf::from(source))
        };
        let unpack = place.is_some_and(|place| place.len() > 1 && place.ends_with('/'));
        let to = match place.filter(|place| !place.is_empty()) {
            Some(place) => place.trim_end_matches('/').to_owned(),
            None => name(&from).ok_or_else(|| InputError::NoName(text.to_owned()))?,
        };
        check_path(&to).map_err(|escape| InputError::Place {
            text: text.to_owned(),
            problem: escape.problem,
        })?;
        Ok(Self { from, to, unpack })
    }
}

/// The last name of a path or an address.
fn name(from: &From) -> Option<String> {
    match from {
        From::Path(path) => Some(path.file_name()?.to_str()?.to_owned()),
        From::Url { url, .. } => {
            let (_, rest) = url.split_once("://")?;
            let path = rest.split(['?', '#']).next()?;
            let (_, name) = path.rsplit_once('/')?;
            (!name.is_empty()).then(|| name.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Input {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn path(path: &str, to: &str) -> Input {
        Input { from: From::Path(path.into()), to: to.into(), unpack: false }
    }

    fn url(url: &str, digest: Option<Hash>, to: &str) -> Input {
        let from = From::Url { url: url.into(), digest };
        Input { from, to: to.into(), unpack: false }
    }

    #[test]
    fn a_path_keeps_its_name_or_gets_another() {
        assert_eq!(read("data.csv"), path("data.csv", "data.csv"));
        assert_eq!(read("../in/data/"), path("../in/data/", "data"));
        assert_eq!(read("/tmp/x:deep/y"), path("/tmp/x", "deep/y"));
        assert_eq!(read("a:b:c"), path("a:b", "c"));
        assert_eq!(read(".:here"), path(".", "here"));
        assert_eq!(read("x.tar:in/"), Input { unpack: true, ..path("x.tar", "in") });
    }

    #[test]
    fn an_address_may_have_a_port_a_digest_and_a_place() {
        let digest = Some(Hash([0xab; 32]));
        let fragment = format!("#sha256={}", "ab".repeat(32));

        assert_eq!(read("http://h:80/a/b.csv"), url("http://h:80/a/b.csv", None, "b.csv"));
        assert_eq!(read("https://h/b?x=/1"), url("https://h/b?x=/1", None, "b"));
        assert_eq!(read(&format!("s3://b/k{fragment}")), url("s3://b/k", digest, "k"));
        assert_eq!(
            read(&format!("https://h:8443/k{fragment}:in/k")),
            url("https://h:8443/k", digest, "in/k")
        );
        assert_eq!(read("file:///data/x:y"), url("file:///data/x", None, "y"));
    }

    #[test]
    fn what_has_no_name_or_a_place_outside_is_refused() {
        let refused = |text: &str| text.parse::<Input>().unwrap_err().to_string();

        assert_eq!(refused(":x"), "`:x` names no file, folder or address");
        assert!(refused("..").ends_with("write `..:NAME`"));
        assert!(refused("https://h/").ends_with("write `https://h/:NAME`"));
        assert!(refused("x:../y").ends_with("its place has `..` in it"));
        assert!(refused("x:/etc/y").ends_with("its place is absolute"));
        assert!(refused("https://h/x#sha1=1").ends_with("64 hexadecimal digits"));
    }
}
