//! The simulator: the shipping core under a virtual clock.
