//! Properties of encoding and decoding.
