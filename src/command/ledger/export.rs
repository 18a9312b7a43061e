//! `repower ledger export`.
//!
//! One line of JSON for each fact, as the store writes and verifies exports, and a last one with the
//! signed head over them. With `--readable` the same facts in words, which are not evidence.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use repower_proto::v1::FILE_DESCRIPTOR_SET;
use repower_store::export::Line;
use repower_store::journal::StoredEntry;
use serde_json::Value;

use super::Place;
use super::source::Source;
use crate::failure::{Exit, Failure};
use crate::render::Screen;

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// In words, for readers and programs; this cannot be verified
    #[arg(long)]
    readable: bool,
    /// Number of the first fact, from 0
    #[arg(
        long,
        value_name = "SEQ",
        default_value_t = 0,
        hide_default_value = true,
        requires = "readable"
    )]
    from: u64,
    /// At most so many facts [default: all]
    #[arg(long, value_name = "NUMBER", requires = "readable")]
    count: Option<u64>,
    #[command(flatten)]
    pub(super) place: Place,
}

impl Export {
    /// Prints the facts, and the head over them if they are all there.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let source = Source::open(&self.place, screen).await?;
        // The head first: the ledger may grow meanwhile, and what comes after this head is left for the next export.
        let (newest, _) = source.newest().await?;
        let left = newest.head.size.saturating_sub(self.from);
        let count = self.count.unwrap_or(left).min(left);
        if count > 0 {
            let each = |fact: StoredEntry| {
                if self.readable {
                    screen.line(decoded(&fact.body))?;
                } else {
                    screen.line(Line::Fact(fact))?;
                }
                Ok(ControlFlow::Continue(()))
            };
            source.facts(self.from, count, each).await?;
        }
        if !self.readable {
            screen.line(Line::Head(newest.note))?;
        }
        Ok(Exit::OK)
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
            message.serialize_with_options(serde_json::value::Serializer, &options).ok()
        })
        .unwrap_or(Value::Null)
}

fn entry() -> MessageDescriptor {
    static ENTRY: OnceLock<MessageDescriptor> = OnceLock::new();
    let find = || {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)
            .expect("the descriptors were made by the compiler");
        pool.get_message_by_name("repower.v1.Entry").expect("facts are entries")
    };
    ENTRY.get_or_init(find).clone()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use repower_proto::v1::{Entry, TokenUsed, entry::Fact};

    use super::*;

    #[test]
    fn a_fact_is_said_in_the_words_of_the_wire() {
        let entry = Entry { seq: 7, at_ms: 1000, fact: Some(Fact::TokenUsed(TokenUsed { id: 3 })) };

        let words = decoded(&entry.encode_to_vec());

        assert_eq!(words, r#"{"at_ms":1000,"seq":7,"token_used":{"id":3}}"#);
    }

    #[test]
    fn what_is_not_a_fact_has_no_words() {
        assert_eq!(decoded(&[0xff]), "null");
    }
}
