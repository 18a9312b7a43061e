//! The pure core of the scheduler: decides, and touches nothing.
