//! Models and properties of the ring and the bell.
