//! What other nouns may ask of annotations.

pub use super::delete::with_media;
