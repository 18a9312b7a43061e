//! How the facts about tokens change the state.

use repower_model::Timestamp;

use crate::fact::Fact;
use crate::state::{State, Token};

impl State {
    /// Makes a fact about a token true; others change nothing here.
    pub(super) fn token_changed(&mut self, fact: &Fact, at: Timestamp) {
        if let Fact::TokenIssued { id, kind, role, name, hash, expires, .. } = fact {
            let token = Token {
                id: *id,
                kind: *kind,
                role: Token::role_of(*kind, *role, name),
                name: name.clone(),
                hash: *hash,
                issued: at,
                expires: *expires,
                used: false,
            };
            self.last_token = self.last_token.max(id.0);
            self.secrets.insert(*hash, *id);
            self.tokens.insert(*id, token);
        } else if let Fact::TokenUsed { id } = fact {
            if let Some(token) = self.tokens.get_mut(id) {
                token.used = true;
            }
        } else if let Fact::TokenRevoked { id, .. } = fact
            && let Some(token) = self.tokens.remove(id)
        {
            self.secrets.remove(&token.hash);
        }
    }
}
