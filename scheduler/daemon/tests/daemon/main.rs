//! A real scheduler on a real port, with clients and agents that start no process.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test panics at whatever it does not expect")]

mod access;
mod agent;
mod artefacts;
mod crowds;
mod durable;
mod jobs;
mod links;
mod logs;
mod pages;
mod pools;
mod roles;
mod world;
