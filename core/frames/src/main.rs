//! Transect.
fn main() {}
