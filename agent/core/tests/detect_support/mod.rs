//! Samples in one line.

use repower_agent_core::detect::{Detector, Flow, Mode, Registers, Sample, Settings};
use repower_agent_core::{Moment, Now};
use repower_model::Timestamp;

pub(crate) fn at(ms: u64) -> Now {
    let wall = Timestamp::from_millis(i64::try_from(ms).expect("test times are small"));
    Now { wall, steady: Moment::from_millis(ms) }
}

pub(crate) fn detector() -> Detector {
    Detector::new(Settings::default())
}

pub(crate) fn registers(sse: Mode, x87: Mode) -> Sample {
    registers_of(1, 1, sse, x87)
}

pub(crate) fn registers_of(process: u32, thread: u32, sse: Mode, x87: Mode) -> Sample {
    Sample::Registers(Registers { process, thread, sse, x87 })
}

pub(crate) fn flow(sent: u64, received: u64) -> Sample {
    let remote = "192.0.2.9:443".parse().expect("an address");
    Sample::Flow(Flow { socket: 1, remote, is_allowed: true, sent, received })
}
