//! The model pipeline: from a [`crate::picture::Picture`] to an observation or a read document.
//!
//! Reading order: [`engine`] (what callers use) → [`detector`], [`landmarks`], [`embedder`], [`comparing`], [`liveness`],
//! [`appearance`] (a face) → [`straighten`], [`text_detector`], [`text_reader`] (a document; `id_card.rs`, `mrz.rs` and `passport.rs` put them
//! together, `condition.rs` measures glare and screens) → [`raster`] (resampling) → [`manifest`], [`runtime`] (model files and ONNX Runtime).
//!
//! The one place of this crate that touches the disk (model files, at start) and native code (ONNX Runtime, through
//! `ort`). What it returns is judged by the pure modules `face` and `document`.

pub mod appearance;
mod colour;
pub mod comparing;
pub mod detector;
pub mod embedder;
pub mod engine;
pub mod landmarks;
pub mod liveness;
pub mod manifest;
pub mod raster;
pub mod runtime;
pub mod text_detector;
pub mod text_reader;

mod condition;
mod id_card;
mod mrz;
mod passport;
mod portrait;
mod shape;
pub mod straighten;

pub use condition::Condition;
pub use engine::{Engine, Located};
pub use id_card::{IdCardReading, SideReading};
pub use passport::PassportReading;
pub use portrait::{MAX_PORTRAIT, Portrait};
pub use runtime::{ModelError, Models};
