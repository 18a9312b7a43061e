//! Artefacts in a bucket of an S3-compatible server.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
    WriteMultipart,
};
use repower_model::{Hash, Timestamp};

use crate::web::{Connector, Web};
use crate::{Entry, Fault, parse_digest};

/// The bytes of a piece that is sent at once; each is in memory until it has arrived.
const PIECE: u64 = 8 << 20;
/// How many pieces are on their way.
const PIECES: usize = 3;
/// A file has at most so many pieces.
const MOST_PIECES: u64 = 9_000;

/// Where the artefacts of a scheduler are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket; what is on its way there comes through a folder.
    Bucket {
        /// `s3://BUCKET/PREFIX`.
        address: String,
        /// A file of lines like `AWS_ACCESS_KEY_ID=...`; none: the environment has them.
        credentials: Option<PathBuf>,
        /// For what is on its way.
        folder: PathBuf,
    },
}

/// A part of a bucket, or of one that anybody may read.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    address: String,
    prefix: String,
}

/// Bytes of an object as they come.
pub(crate) type Bits = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

impl Bucket {
    /// The bucket and prefix that `s3://BUCKET/PREFIX` names, with endpoint, region and credentials from the usual
    /// variables `AWS_*` of the environment, or from a file of such lines. Without credentials, what anybody may read.
    ///
    /// # Errors
    ///
    /// If the address or the file cannot be used. Nothing is asked of the server yet.
    pub fn open(address: &str, credentials: Option<&Path>, web: &Web) -> Result<Self, Fault> {
        let bad = |problem: &str| Fault::BadAddress {
            address: address.to_owned(),
            problem: problem.to_owned(),
        };
        let rest =
            address.strip_prefix("s3://").ok_or_else(|| bad("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("it names no bucket"));
        }
        let mut builder = AmazonS3Builder::from_env();
        if let Some(path) = credentials {
            for (key, value) in read_credentials(path)? {
                builder = builder.with_config(key, value);
            }
        }
        let given = |key| builder.get_config_value(&key);
        let open = given(AmazonS3ConfigKey::AccessKeyId).is_none()
            && given(AmazonS3ConfigKey::WebIdentityTokenFile).is_none()
            && given(AmazonS3ConfigKey::ContainerCredentialsRelativeUri).is_none()
            && given(AmazonS3ConfigKey::ContainerCredentialsFullUri).is_none();
        let http = given(AmazonS3ConfigKey::Endpoint).is_some_and(|at| at.starts_with("http://"));
        let store = builder
            .with_bucket_name(bucket)
            .with_http_connector(Connector(web.clone()))
            .with_skip_signature(open)
            .with_allow_http(http)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 5,
                retry_timeout: Duration::from_mins(1),
            })
            .build()
            .map_err(|error| bad(&error.to_string()))?;
        let prefix = prefix.trim_matches('/').to_owned();
        Ok(Self { store: Arc::new(store), address: format!("s3://{bucket}"), prefix })
    }

    /// The key of an artefact.
    fn key(&self, digest: Hash) -> Key {
        let name = digest.to_string();
        self.prefix.split('/').chain([&name[..2], &name]).collect()
    }

    fn fault(
        &self,
        what: &'static str,
        key: &Key,
    ) -> impl Fn(object_store::Error) -> Fault + use<> {
        Fault::remote(what, &format!("{}/{key}", self.address))
    }

    /// How long an artefact is; `None`: it is not there.
    pub async fn find(&self, digest: Hash) -> Result<Option<u64>, Fault> {
        let key = self.key(digest);
        match self.store.head(&key).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fault("look at", &key)(error)),
        }
    }

    /// Sends a file; it is visible when all of it has arrived.
    pub async fn put(&self, path: &Path, digest: Hash, bytes: u64) -> Result<(), Fault> {
        let key = self.key(digest);
        let mut file = fs::File::open(path).map_err(Fault::io("open", path))?;
        let piece = usize::try_from(PIECE.max(bytes / MOST_PIECES)).unwrap_or(usize::MAX);
        if bytes <= PIECE {
            let mut all = Vec::new();
            file.read_to_end(&mut all).map_err(Fault::io("read", path))?;
            self.store.put(&key, all.into()).await.map_err(self.fault("write", &key))?;
            return Ok(());
        }
        let upload = self.store.put_multipart(&key).await.map_err(self.fault("write", &key))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, piece);
        let sent = self.send(file, path, &key, &mut upload).await;
        match sent {
            Ok(()) => upload.finish().await.map(drop).map_err(self.fault("write", &key)),
            Err(fault) => {
                // What has arrived is no object yet, and costs space until the server drops it.
                upload.abort().await.unwrap_or_default();
                Err(fault)
            }
        }
    }

    async fn send(
        &self,
        mut file: fs::File,
        path: &Path,
        key: &Key,
        upload: &mut WriteMultipart,
    ) -> Result<(), Fault> {
        loop {
            upload.wait_for_capacity(PIECES).await.map_err(self.fault("write", key))?;
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::new();
                let read = (&mut file).take(PIECE).read_to_end(&mut piece);
                read.map(|_| (file, piece))
            });
            let read = read.await.map_err(|_| Fault::Ending)?;
            let (rest, piece) = read.map_err(Fault::io("read", path))?;
            if piece.is_empty() {
                return Ok(());
            }
            file = rest;
            upload.put(piece.into());
        }
    }

    /// An artefact from `offset` on.
    pub(crate) async fn get(&self, digest: Hash, offset: u64) -> Result<(u64, Bits), Fault> {
        self.get_key(&self.key(digest), offset)
            .await
            .map_err(|fault| if is_missing(&fault) { Fault::Missing { digest } } else { fault })
    }

    /// The object that the address itself names, from `offset` on, and how long all of it is.
    pub async fn get_object(
        &self,
        offset: u64,
    ) -> Result<(u64, Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>), Fault> {
        self.get_key(&Key::from(self.prefix.as_str()), offset).await
    }

    async fn get_key(&self, key: &Key, offset: u64) -> Result<(u64, Bits), Fault> {
        let range = (offset > 0).then_some(GetRange::Offset(offset));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.store.get_opts(key, options).await.map_err(self.fault("read", key))?;
        let fault = self.fault("read", key);
        Ok((found.meta.size, Box::pin(found.into_stream().map_err(fault))))
    }

    /// Removes an artefact; one that is not there needs no removing.
    pub async fn remove(&self, digest: Hash) -> Result<(), Fault> {
        let key = self.key(digest);
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.fault("remove", &key)(error)),
        }
    }

    /// The artefacts whose digests begin with this byte.
    pub async fn list(&self, first: u8) -> Result<Vec<Entry>, Fault> {
        let first = format!("{first:02x}");
        let key: Key = self.prefix.split('/').chain([first.as_str()]).collect();
        let listed = self.store.list(Some(&key)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(self.fault("list", &key))?;
        let entry = |found: object_store::ObjectMeta| {
            let digest = parse_digest(found.location.filename()?)?;
            let modified = Timestamp::from_millis(found.last_modified.timestamp_millis());
            Some(Entry { digest, bytes: found.size, modified })
        };
        Ok(listed.into_iter().filter_map(entry).collect())
    }
}

fn is_missing(fault: &Fault) -> bool {
    let Fault::Remote { source, .. } = fault else { return false };
    matches!(source.downcast_ref(), Some(object_store::Error::NotFound { .. }))
}

/// Reads lines like `AWS_ACCESS_KEY_ID=...`; empty lines and those that begin with `#` say nothing.
fn read_credentials(path: &Path) -> Result<Vec<(AmazonS3ConfigKey, String)>, Fault> {
    let bad = |problem: String| Fault::BadCredentials { path: path.to_owned(), problem };
    let found = fs::metadata(path).map_err(Fault::io("read", path))?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(bad("others than its owner may read it".into()));
    }
    let text = fs::read_to_string(path).map_err(Fault::io("read", path))?;
    let mut given = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| bad(format!("line {number} is not like NAME=VALUE")))?;
        let key = key.trim();
        let known = AmazonS3ConfigKey::from_str(&key.to_ascii_lowercase());
        let known = known.map_err(|_| bad(format!("line {number} names an unknown {key:?}")))?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        given.push((known, bare.unwrap_or(value).to_owned()));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn credentials_are_read_from_a_file_that_only_its_owner_may_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("credentials");
        fs::write(&path, "# mine\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=\"b=c\"\n").unwrap();

        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let open = read_credentials(&path).unwrap_err().to_string();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let read = read_credentials(&path).unwrap();

        assert!(open.ends_with("others than its owner may read it"), "{open}");
        assert_eq!(
            read,
            [
                (AmazonS3ConfigKey::AccessKeyId, "a".to_owned()),
                (AmazonS3ConfigKey::SecretAccessKey, "b=c".to_owned())
            ]
        );
    }

    #[test]
    fn a_fault_of_a_file_of_credentials_does_not_tell_them() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("credentials");
        for (text, problem) in [
            ("AWS_ACCESS_KEY_ID=a\nsecret\n", "line 2 is not like NAME=VALUE"),
            ("AWS_ACESS_KEY_ID=secret\n", "line 1 names an unknown \"AWS_ACESS_KEY_ID\""),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let fault = read_credentials(&path).unwrap_err().to_string();
            assert!(fault.ends_with(problem) && !fault.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn an_address_without_a_bucket_is_refused() {
        let web = Web::new().unwrap();

        for address in ["s3://", "s3:///x", "http://bucket/x"] {
            let fault = Bucket::open(address, None, &web).unwrap_err();
            assert!(matches!(fault, Fault::BadAddress { .. }), "{fault}");
        }
    }
}
