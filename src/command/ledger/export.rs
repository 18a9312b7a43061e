//! `repower ledger export`.
//!
//! One line of JSON for each fact, and a last one with the signed head over them. The `body` is
//! what was hashed; `fact` says the same for readers, and is not evidence.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use repower_proto::v1::FILE_DESCRIPTOR_SET;
use repower_store::journal::StoredEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Place;
use super::source::Source;
use crate::failure::{Exit, Failure};
use crate::render::{Screen, json};

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Number of the first fact, from 0
    #[arg(
        long,
        value_name = "SEQ",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u64,
    /// At most so many facts [default: all]; then there is no head at the end
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Leave out the readable `fact` beside the bytes
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    pub(super) place: Place,
}

/// A line with a fact.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fact {
    /// Its number.
    pub(super) seq: u64,
    /// The leaf hash that is stored with it, in hexadecimal.
    pub(super) leaf: String,
    /// Its bytes, in Base64.
    pub(super) body: String,
    #[serde(default, rename = "fact", skip_serializing_if = "Option::is_none")]
    words: Option<Value>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Last {
    /// How many facts it covers.
    pub(super) size: u64,
    /// The signed note.
    pub(super) head: String,
    /// The key that it is signed with.
    pub(super) verifier_key: String,
}

impl Export {
    /// Prints the facts, and the head over them if they are all there.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let source = Source::open(&self.place, screen).await?;
        // The head first: the ledger may grow meanwhile, and what comes after this head is left for the next export.
        let (newest, key) = source.newest().await?;
        let size = newest.head.size;
        let count = self
            .count
            .unwrap_or(size.saturating_sub(self.from))
            .min(size.saturating_sub(self.from));
        if count > 0 {
            let each = |fact: StoredEntry| {
                screen.json_line(&line(&fact, self.raw))?;
                Ok(ControlFlow::Continue(()))
            };
            source.facts(self.from, count, each).await?;
        }
        if self.from == 0 && self.count.is_none() {
            screen.json_line(&Last {
                size,
                head: newest.note,
                verifier_key: key.to_string(),
            })?;
        }
        Ok(Exit::OK)
    }
}

fn line(fact: &StoredEntry, raw: bool) -> Fact {
    Fact {
        seq: fact.seq,
        leaf: json::hex(&fact.leaf),
        body: STANDARD.encode(&fact.body),
        words: (!raw).then(|| readable(&fact.body)),
    }
}

/// Returns a fact as one line of JSON, for readers.
pub(super) fn decoded(body: &[u8]) -> String {
    readable(body).to_string()
}

/// Returns a fact as JSON with the names of the wire; null if it is not one that this release knows.
fn readable(body: &[u8]) -> Value {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(true);
    DynamicMessage::decode(entry(), body)
        .ok()
        .and_then(|message| {
            message
                .serialize_with_options(serde_json::value::Serializer, &options)
                .ok()
        })
        .unwrap_or(Value::Null)
}

fn entry() -> MessageDescriptor {
    static ENTRY: OnceLock<MessageDescriptor> = OnceLock::new();
    let find = || {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)
            .expect("the descriptors were made by the compiler");
        pool.get_message_by_name("repower.v1.Entry")
            .expect("facts are entries")
    };
    ENTRY.get_or_init(find).clone()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use repower_proto::v1::{Entry, TokenUsed, entry::Fact as Body};

    use super::*;

    #[test]
    fn a_fact_is_exported_as_bytes_and_as_words() {
        let body = Entry {
            seq: 7,
            at_ms: 1000,
            fact: Some(Body::TokenUsed(TokenUsed { id: 3 })),
        }
        .encode_to_vec();
        let fact = StoredEntry {
            seq: 7,
            leaf: [0xab; 32],
            body,
        };

        let written = serde_json::to_value(line(&fact, false)).expect("JSON");

        assert_eq!(
            written["fact"],
            serde_json::json!({"seq": 7, "at_ms": 1000, "token_used": {"id": 3}})
        );
        assert_eq!(written["leaf"], "ab".repeat(32));
        assert_eq!(
            STANDARD
                .decode(written["body"].as_str().expect("text"))
                .expect("Base64"),
            fact.body
        );
        assert!(
            serde_json::to_value(line(&fact, true))
                .expect("JSON")
                .get("fact")
                .is_none()
        );
    }

    #[test]
    fn what_is_not_a_fact_is_exported_all_the_same() {
        let fact = StoredEntry {
            seq: 0,
            leaf: [0; 32],
            body: vec![0xff],
        };

        assert_eq!(
            serde_json::to_value(line(&fact, false)).expect("JSON")["fact"],
            Value::Null
        );
    }
}
