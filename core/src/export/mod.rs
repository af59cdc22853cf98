//! Formats out: tables of the API's answers, and annotation formats of other programs.

pub mod csv;
