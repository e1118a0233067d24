//! stub

pub mod samples;
pub mod specimen;
