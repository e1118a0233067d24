//! Pure rules of telling relying parties: what they are told of, when what did not arrive is tried again, how it is signed, which
//! addresses may be told at all, and what a mail says.

pub mod address;
pub mod event;
pub mod letter;
pub mod schedule;
pub mod signature;
