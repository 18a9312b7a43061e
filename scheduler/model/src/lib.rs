//! The nouns of Repower, and its quantities.
