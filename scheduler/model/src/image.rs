//! The names of container images, which say by a digest what they mean.

/// A text that does not name one image for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// What it means may change, and be another thing on each node.
    #[error("`{name}` has no digest, so it may be another image on each node, and tomorrow")]
    NoDigest {
        /// As given.
        name: String,
    },
    /// What it should be known by is no digest.
    #[error("`{digest}` is not sha256: and 64 hexadecimal digits")]
    BadDigest {
        /// As given.
        digest: String,
    },
    /// A tag and a digest contradict each other sooner or later.
    #[error("`{name}` has a tag and a digest")]
    Tagged {
        /// Without the digest.
        name: String,
    },
    /// No engine would take it.
    #[error("`{name}` is not the name of an image: lower-case letters, digits and . _ - / : are")]
    BadName {
        /// Without the digest.
        name: String,
    },
}

impl ImageError {
    /// How to find the right name.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Tagged { .. } => "leave the tag out: NAME@sha256:DIGEST",
            Self::NoDigest { .. } | Self::BadDigest { .. } | Self::BadName { .. } => {
                "write NAME@sha256:DIGEST, as `podman image inspect --format '{{index .RepoDigests 0}}' IMAGE` prints it; \
                 for an image that only nodes have, its id: `podman image inspect --format 'sha256:{{.Id}}' IMAGE`"
            }
        }
    }
}

/// The longest name, in bytes.
const LONGEST: usize = 255;

/// Whether a text names an image by its digest (`NAME@sha256:..`) or by its id (`sha256:..`).
///
/// # Errors
///
/// What is wrong with it.
pub fn check_image(text: &str) -> Result<(), ImageError> {
    if text.starts_with("sha256:") {
        return check_digest(text);
    }
    let Some((name, digest)) = text.split_once('@') else {
        return Err(ImageError::NoDigest { name: text.to_owned() });
    };
    let is_letter = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-/:".contains(letter)
    };
    let begins_well = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let ends_well = name.ends_with(|letter: char| letter.is_ascii_alphanumeric());
    let is_name = begins_well && ends_well && name.len() <= LONGEST && name.chars().all(is_letter);
    if !is_name {
        return Err(ImageError::BadName { name: name.to_owned() });
    }
    if name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        return Err(ImageError::Tagged { name: name.to_owned() });
    }
    check_digest(digest)
}

fn check_digest(text: &str) -> Result<(), ImageError> {
    let hex = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let digits = text.strip_prefix("sha256:");
    if digits.is_some_and(|digits| digits.len() == 64 && digits.chars().all(hex)) {
        return Ok(());
    }
    Err(ImageError::BadDigest { digest: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_digest_or_by_its_id() {
        let digest = format!("sha256:{}", "0a".repeat(32));

        for good in ["docker.io/library/python", "localhost/one", "localhost:5000/a/b", "x"] {
            assert_eq!(check_image(&format!("{good}@{digest}")), Ok(()), "{good}");
        }
        assert_eq!(check_image(&digest), Ok(()));
    }

    #[test]
    fn what_may_mean_another_image_tomorrow_is_told_from_what_is_no_name() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let error = |text: &str| check_image(text).unwrap_err();

        for open in ["", "debian", "debian:12", "localhost:5000/one:latest"] {
            assert!(matches!(error(open), ImageError::NoDigest { .. }), "{open}");
        }
        for name in ["--privileged", "a b", "Debian", "a\n", "", "/x", "x/"] {
            let error = error(&format!("{name}@{digest}"));
            assert!(matches!(error, ImageError::BadName { .. }), "{name}");
        }
        assert!(matches!(error(&format!("debian:12@{digest}")), ImageError::Tagged { .. }));
        for wrong in ["x@sha256:0a", "x@md5:00", "x@", "sha256:zz", &digest.to_uppercase()] {
            let error = error(wrong);
            let is_told =
                matches!(error, ImageError::BadDigest { .. } | ImageError::NoDigest { .. });
            assert!(is_told, "{wrong}: {error}");
        }
    }
}
