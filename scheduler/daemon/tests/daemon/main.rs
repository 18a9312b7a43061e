//! A real scheduler on a real port, with clients and agents that start no process.

mod access;
mod agent;
mod durable;
mod jobs;
mod links;
mod pages;
mod world;
