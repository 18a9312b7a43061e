//! The wire: messages, services, and the one door from wire to model.
