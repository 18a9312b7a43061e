//! Files that go with a job, and what a task is kept apart from.

use repower_model::{
    Artefact, Checkpoint, Egress, InputFile, Isolation, Keep, OnDisconnect, RankId, Source,
    StopCause, StopStep, Stored,
};

use super::{ConvertError, Problem, hash, present};
use crate::v1;

impl From<&Artefact> for v1::Artefact {
    fn from(artefact: &Artefact) -> Self {
        let Artefact { path, bytes, digest } = artefact;
        Self { path: path.clone(), bytes: *bytes, digest: digest.0.to_vec() }
    }
}

impl TryFrom<v1::Artefact> for Artefact {
    type Error = ConvertError;

    fn try_from(artefact: v1::Artefact) -> Result<Self, ConvertError> {
        let digest = hash("digest", &artefact.digest)?;
        Ok(Self { path: artefact.path, bytes: artefact.bytes, digest })
    }
}

impl From<Stored> for v1::Stored {
    fn from(stored: Stored) -> Self {
        Self { digest: stored.digest.0.to_vec(), bytes: stored.bytes }
    }
}

impl TryFrom<v1::Stored> for Stored {
    type Error = ConvertError;

    fn try_from(stored: v1::Stored) -> Result<Self, ConvertError> {
        Ok(Self { digest: hash("digest", &stored.digest)?, bytes: stored.bytes })
    }
}

impl v1::Saved {
    /// What a process has saved, or why it could not be brought to the store.
    pub fn of(rank: RankId, kept: &Result<Stored, String>) -> Self {
        let result = match kept {
            Ok(stored) => v1::saved::Result::Stored((*stored).into()),
            Err(problem) => v1::saved::Result::Problem(problem.clone()),
        };
        Self { attempt: Some(rank.into()), result: Some(result) }
    }

    /// Whose it is, and what of it is in the store or why nothing is.
    ///
    /// # Errors
    ///
    /// [`ConvertError`] if something is missing.
    pub fn read(self) -> Result<(RankId, Result<Stored, String>), ConvertError> {
        let rank = present("saved.attempt", self.attempt)?.into();
        let kept = match present("saved.result", self.result)? {
            v1::saved::Result::Stored(stored) => Ok(Stored::try_from(stored)?),
            v1::saved::Result::Problem(problem) => Err(problem),
        };
        Ok((rank, kept))
    }
}

impl From<Checkpoint> for v1::Checkpoint {
    fn from(checkpoint: Checkpoint) -> Self {
        Self { number: checkpoint.number, stored: Some(checkpoint.stored.into()) }
    }
}

impl TryFrom<v1::Checkpoint> for Checkpoint {
    type Error = ConvertError;

    fn try_from(checkpoint: v1::Checkpoint) -> Result<Self, ConvertError> {
        let stored = present("stored", checkpoint.stored)?;
        let stored = Stored::try_from(stored).map_err(|error| error.within("stored"))?;
        Ok(Self { number: checkpoint.number, stored })
    }
}

impl From<&InputFile> for v1::InputFile {
    fn from(input: &InputFile) -> Self {
        let (digest, bytes, url) = match &input.source {
            Source::Stored { digest, bytes } => (Some(digest), *bytes, ""),
            Source::Url { url, digest } => (digest.as_ref(), 0, url.as_str()),
        };
        Self {
            digest: digest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
            bytes,
            url: url.to_owned(),
            path: input.path.clone(),
            unpack: input.unpack,
            executable: input.executable,
        }
    }
}

impl TryFrom<v1::InputFile> for InputFile {
    type Error = ConvertError;

    fn try_from(input: v1::InputFile) -> Result<Self, ConvertError> {
        let digest = |bytes: &[u8]| hash("digest", bytes);
        let source = if input.url.is_empty() {
            Source::Stored { digest: digest(&input.digest)?, bytes: input.bytes }
        } else {
            let told = Some(input.digest).filter(|bytes| !bytes.is_empty());
            let digest = told.map(|bytes| digest(&bytes)).transpose()?;
            Source::Url { url: input.url, digest }
        };
        let (unpack, executable) = (input.unpack, input.executable);
        Ok(Self { source, path: input.path, unpack, executable })
    }
}

impl From<Keep> for v1::Keep {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Always => Self::Always,
            Keep::OnSuccess => Self::OnSuccess,
            Keep::OnFailure => Self::OnFailure,
        }
    }
}

impl From<v1::Keep> for Keep {
    fn from(keep: v1::Keep) -> Self {
        match keep {
            v1::Keep::Unspecified | v1::Keep::Always => Self::Always,
            v1::Keep::OnSuccess => Self::OnSuccess,
            v1::Keep::OnFailure => Self::OnFailure,
        }
    }
}

impl From<OnDisconnect> for v1::OnDisconnect {
    fn from(on_disconnect: OnDisconnect) -> Self {
        match on_disconnect {
            OnDisconnect::Stop => Self::Stop,
            OnDisconnect::Keep => Self::Keep,
        }
    }
}

impl From<v1::OnDisconnect> for OnDisconnect {
    fn from(on_disconnect: v1::OnDisconnect) -> Self {
        match on_disconnect {
            v1::OnDisconnect::Unspecified | v1::OnDisconnect::Stop => Self::Stop,
            v1::OnDisconnect::Keep => Self::Keep,
        }
    }
}

impl From<Isolation> for v1::Isolation {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Bare => Self::Bare,
            Isolation::Boxed => Self::Boxed,
            Isolation::Sealed => Self::Sealed,
        }
    }
}

impl From<v1::Isolation> for Isolation {
    fn from(isolation: v1::Isolation) -> Self {
        match isolation {
            v1::Isolation::Unspecified | v1::Isolation::Bare => Self::Bare,
            v1::Isolation::Boxed => Self::Boxed,
            v1::Isolation::Sealed => Self::Sealed,
        }
    }
}

impl From<&Egress> for v1::Egress {
    fn from(egress: &Egress) -> Self {
        let (kind, only) = match egress {
            Egress::Open => (v1::EgressKind::Open, Vec::new()),
            Egress::None => (v1::EgressKind::None, Vec::new()),
            Egress::Only(hosts) => (v1::EgressKind::Only, hosts.clone()),
        };
        Self { kind: kind.into(), only }
    }
}

impl TryFrom<v1::Egress> for Egress {
    type Error = ConvertError;

    /// Hosts come out ascending, none twice.
    fn try_from(egress: v1::Egress) -> Result<Self, ConvertError> {
        match egress.kind() {
            v1::EgressKind::Unspecified => {
                Err(ConvertError::new("kind", Problem::Unknown { value: egress.kind }))
            }
            v1::EgressKind::Open => Ok(Self::Open),
            v1::EgressKind::None => Ok(Self::None),
            v1::EgressKind::Only => {
                let mut hosts = egress.only;
                hosts.sort();
                hosts.dedup();
                Ok(Self::Only(hosts))
            }
        }
    }
}

impl From<StopStep> for v1::StopStep {
    fn from(step: StopStep) -> Self {
        match step {
            StopStep::Checkpoint => Self::Checkpoint,
            StopStep::Terminate => Self::Terminate,
            StopStep::Kill => Self::Kill,
        }
    }
}

impl TryFrom<v1::StopStep> for StopStep {
    type Error = ConvertError;

    fn try_from(step: v1::StopStep) -> Result<Self, ConvertError> {
        match step {
            v1::StopStep::Unspecified => {
                Err(ConvertError::new("step", Problem::Unknown { value: 0 }))
            }
            v1::StopStep::Checkpoint => Ok(Self::Checkpoint),
            v1::StopStep::Terminate => Ok(Self::Terminate),
            v1::StopStep::Kill => Ok(Self::Kill),
        }
    }
}

impl From<StopCause> for v1::StopCause {
    fn from(cause: StopCause) -> Self {
        match cause {
            StopCause::Cancelled => Self::Cancelled,
            StopCause::Preempted => Self::Preempted,
            StopCause::Drained => Self::Drained,
            StopCause::TimedOut => Self::TimedOut,
            StopCause::LeaseLost => Self::LeaseLost,
            StopCause::Leaving => Self::Leaving,
            StopCause::Checkpointed => Self::Checkpointed,
            StopCause::Finding => Self::Finding,
        }
    }
}

impl TryFrom<v1::StopCause> for StopCause {
    type Error = ConvertError;

    fn try_from(cause: v1::StopCause) -> Result<Self, ConvertError> {
        match cause {
            v1::StopCause::Unspecified => {
                Err(ConvertError::new("cause", Problem::Unknown { value: 0 }))
            }
            v1::StopCause::Cancelled => Ok(Self::Cancelled),
            v1::StopCause::Preempted => Ok(Self::Preempted),
            v1::StopCause::Drained => Ok(Self::Drained),
            v1::StopCause::TimedOut => Ok(Self::TimedOut),
            v1::StopCause::LeaseLost => Ok(Self::LeaseLost),
            v1::StopCause::Leaving => Ok(Self::Leaving),
            v1::StopCause::Checkpointed => Ok(Self::Checkpointed),
            v1::StopCause::Finding => Ok(Self::Finding),
        }
    }
}
