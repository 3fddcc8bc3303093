//! Why a value could not be encoded or decoded: what the failed impl said, which postcard drops.
//!
//! A failed value goes through serde once more, this time behind types whose error keeps the
//! message at any depth.

mod de;
mod message;
mod ser;

pub(super) use de::{MISMATCH, why_not_decoded};
pub(super) use ser::why_not_encoded;

#[cfg(test)]
mod tests;
