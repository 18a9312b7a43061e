//! Runs loads under the sensors and writes down what was seen, with the number of tries and bounds.

pub mod alarms;
pub mod bound;
pub mod cost;
pub mod family;
pub mod flows;
pub mod honest;
pub mod machine;
pub mod observe;
pub mod page;
pub mod recall;
pub mod scan;
