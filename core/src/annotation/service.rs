//! What other nouns may ask of annotations.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

pub use super::delete::with_media;
use super::state::NewState;
use super::{create, store};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::Result;

/// A state about one frame of one media, to be made.
pub struct FrameState {
    /// Its type.
    pub type_id: i64,
    /// The media.
    pub media: i64,
    /// The frame's ordinal.
    pub frame: i64,
    /// Its layer; none is the author's own.
    pub version: Option<i64>,
    /// Its identity.
    pub elemental_id: String,
    /// Its attributes, as given.
    pub attributes: Map<String, Json>,
}

/// Makes states about single frames on behalf of an actor; returns their ids in the order given. All
/// or nothing.
///
/// Errors: those of states that somebody posts.
pub async fn add_frame_states(
    cx: &Context,
    actor: &Actor,
    project: i64,
    wanted: Vec<FrameState>,
) -> Result<Vec<i64>> {
    let news = wanted.into_iter().map(|one| NewState {
        r#type: one.type_id,
        media_ids: vec![one.media],
        localization_ids: Vec::new(),
        frame: Some(one.frame),
        version: one.version,
        parent: None,
        elemental_id: Some(one.elemental_id),
        mark: None,
        attributes: one.attributes,
        user_elemental_id: None,
    });
    create::states(cx, actor, project, news.collect()).await
}

/// Whether anything is said of a media: a localization on it, or a state about it, that was not deleted.
pub async fn is_annotated(tx: &mut Tx, media: i64) -> Result<bool> {
    store::is_annotated(tx, media).await
}

/// The states that stand for identities now, by elemental id; those that were deleted are left out.
pub async fn living_states(tx: &mut Tx, uuids: &[&str]) -> Result<HashMap<String, i64>> {
    let latest = store::latest_ids(tx, Kind::State, uuids).await?;
    Ok(latest
        .into_iter()
        .map(|((_, uuid), id)| (uuid, id))
        .collect())
}
