//! Transcodes: an uploaded video becomes a media.
//!
//! What exists so far is the part that annotation needs: the uploaded file is kept as it is (the
//! archival copy), indexed and given a thumbnail. Pictures come from it through the frame service,
//! so that nothing waits for renditions; making those is not built yet.

pub mod routes;
mod service;
