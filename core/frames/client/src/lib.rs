//! Transect.
