//! Traces against results of other software: start times job for job, and printed digits.
//!
//! `synth64` and its starts are this project's own and in `tests/data`. The other traces are not ours to
//! pass on: their tests run where the folder of traces is, named by `REPOWER_TRACES` or `shared/data`
//! beside the repository, and say so where it is not.

mod data;
mod measures;
mod starts;
mod windows;
