//! Enrolment: a join token for a certificate.

use rcgen::{CertificateParams, KeyPair};
use repower_proto::v1::EnrolRequest;
use repower_proto::v1::agents_client::AgentsClient;
use tonic::Code;

use crate::endpoint::{self, Failure};
use crate::identity::{DataFolder, Identity};
use crate::link::Backoff;
use crate::{Error, JoinFile, Options, environment, inventory};

/// How often an agent that has never enrolled tries to reach the scheduler.
const TRIES: u32 = 6;

/// The identity in the data folder, or a new one by the join file.
pub(crate) async fn identity(options: &Options, data: &DataFolder) -> Result<Identity, Error> {
    let known = data.load()?;
    let join = options.join.as_deref().map(JoinFile::read).transpose();
    match (known, join) {
        (Some(known), Ok(Some(join))) if join.authority.trim() != known.authority.trim() => {
            Err(Error::EnrolledElsewhere { data: data.path().into(), name: known.name })
        }
        // A join file that is gone after enrolment is no fault.
        (Some(known), join) => {
            if let Ok(Some(_)) = join {
                tracing::warn!(
                    name = %known.name,
                    "the join file was not needed: this folder has enrolled; if its token was not used, revoke it"
                );
            }
            if let Some(name) = options.name.as_ref().filter(|name| **name != known.name) {
                tracing::warn!(
                    asked = %name,
                    name = %known.name,
                    "the name is passed over: this folder has enrolled under another; a new folder gets a new name"
                );
            }
            Ok(known)
        }
        (None, Ok(None)) => Err(Error::NotEnrolled { data: data.path().into() }),
        (None, Ok(Some(join))) => {
            let name = options.name.clone().unwrap_or_else(inventory::node_name);
            check_name(&name)?;
            let identity = enrol(&join, name).await?;
            data.store(&identity)?;
            tracing::info!(node = identity.node, name = identity.name, "enrolled");
            Ok(identity)
        }
        (None, Err(error)) => Err(error),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    if (1..=63).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(Error::BadName { name: name.to_owned() })
    }
}

/// Makes a key and trades the token for a certificate of it.
async fn enrol(join: &JoinFile, name: String) -> Result<Identity, Error> {
    let unusable = |error: rcgen::Error| Error::BadCertificates {
        scheduler: join.scheduler.clone(),
        source: error.into(),
    };
    let key = KeyPair::generate().map_err(unusable)?;
    let request = CertificateParams::default().serialize_request(&key).map_err(unusable)?;
    let request = EnrolRequest {
        secret: join.secret.clone(),
        name: name.clone(),
        request_pem: request.pem().map_err(unusable)?,
    };
    let reply = ask(join, &name, request).await?;
    Ok(Identity {
        name,
        node: reply.node,
        scheduler: join.scheduler.clone(),
        folder: environment::random_mark()?,
        authority: reply.authority_pem,
        certificate: reply.certificate_pem,
        key: key.serialize_pem(),
    })
}

async fn ask(
    join: &JoinFile,
    name: &str,
    request: EnrolRequest,
) -> Result<repower_proto::v1::EnrolReply, Error> {
    let endpoint = endpoint::endpoint(&join.scheduler, &join.authority, None)?;
    let mut backoff = Backoff::default();
    let mut tries = 0;
    loop {
        tries += 1;
        let failure = match endpoint::connect(&endpoint).await {
            Ok(channel) => match AgentsClient::new(channel).enrol(request.clone()).await {
                Ok(reply) => return Ok(reply.into_inner()),
                Err(status) if status.code() == Code::Unavailable => Failure::of(status.into()),
                Err(status) => return Err(refusal(join, name, &status)),
            },
            Err(failure) => failure,
        };
        let scheduler = join.scheduler.clone();
        match failure {
            Failure::Unreachable(source) if tries >= TRIES => {
                return Err(Error::Unreachable { scheduler, tries, source });
            }
            Failure::Unreachable(_) => {
                tokio::time::sleep(backoff.next_wait(Backoff::AT_REST)).await;
            }
            Failure::WrongAuthority(source) => {
                return Err(Error::WrongAuthority { scheduler, source });
            }
            Failure::CertificateRefused(message) => {
                return Err(Error::EnrolmentRefused { scheduler, name: name.to_owned(), message });
            }
        }
    }
}

/// What the scheduler means by refusing.
fn refusal(join: &JoinFile, name: &str, status: &tonic::Status) -> Error {
    let (scheduler, name) = (join.scheduler.clone(), name.to_owned());
    let message = status.message().to_owned();
    let code = status.code();
    if matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
        Error::TokenRefused { scheduler, message }
    } else if code == Code::AlreadyExists {
        Error::NameTaken { scheduler, name }
    } else {
        Error::EnrolmentRefused { scheduler, name, message }
    }
}
