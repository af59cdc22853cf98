//! States: facts about media, frames, or tracks of localizations.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::track;
use super::types::{Annotation, Document, Revision};
use crate::attribute::Kind;
use crate::database::{Row, Tx, Value};
use crate::entity_type::EntityType;
use crate::error::{Error, Result};
use crate::media;
use crate::query::{Form, Key};
use crate::time;
use crate::values;

/// A state.
#[derive(Debug, Clone)]
pub struct State {
    /// Which revision of which annotation.
    pub revision: Revision,
    /// The frame, for states that are bound to one.
    pub frame: Option<i64>,
    /// The media it is about.
    pub media: Vec<i64>,
    /// The members of a track.
    pub localizations: Vec<i64>,
    /// Runs `[first, last]` of consecutive frames of the members; none without members.
    pub segments: Option<Vec<[i64; 2]>>,
}

impl Annotation for State {
    const KIND: Kind = Kind::State;
    const NAME: &'static str = "State";
    const PLURAL: &'static str = "states";
    const COLUMNS: &'static [&'static str] = &["frame", "media", "localizations", "segments"];
    const KEYS: &'static [Key] = &[
        Key::plain("id"),
        Key::plain("type"),
        Key::of("media", "media", Form::Document),
        Key::of("localizations", "localizations", Form::Document),
        Key::of("segments", "segments", Form::Document),
        Key::of("attributes", "attributes", Form::Document),
        Key::of("created_datetime", "created_at", Form::Time),
        Key::of("modified_datetime", "modified_at", Form::Time),
        Key::plain("modified_by"),
        Key::plain("created_by"),
        Key::of("variant_deleted", "variant_deleted", Form::Flag),
        Key::of("effective_permission", "", Form::Always("0")),
        Key::plain("version"),
        Key::plain("frame"),
        Key::plain("parent"),
        Key::plain("elemental_id"),
        Key::plain("mark"),
        Key::of("master_section", "", Form::Worked(Self::MASTER_SECTION)),
    ];
    /// Of several media, the oldest decides.
    const MASTER_SECTION: &'static str = "(select m.master_section from state_media sm join media m on m.id = sm.media \
                                          where sm.state = t.id order by sm.media limit 1)";
    /// A state without its members is no use to anybody.
    const ALWAYS: &'static [&'static str] = &["localizations", "media"];

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn revision_mut(&mut self) -> &mut Revision {
        &mut self.revision
    }

    fn values(&self) -> Vec<Value> {
        let list = |ids: &[i64]| serde_json::json!(ids).to_string();
        let segments = self
            .segments
            .as_ref()
            .map(|runs| serde_json::json!(runs).to_string());
        values![
            self.frame,
            list(&self.media),
            list(&self.localizations),
            segments
        ]
        .to_vec()
    }

    fn read(mut row: Row) -> Result<Self> {
        let revision = Revision::read(&mut row)?;
        let frame = row.take()?;
        let (media, localizations, segments): (Json, Json, Json) =
            (row.take()?, row.take()?, row.take()?);
        Ok(Self {
            revision,
            frame,
            media: serde_json::from_value(media)?,
            localizations: serde_json::from_value(localizations)?,
            segments: serde_json::from_value(segments)?,
        })
    }

    fn wire(&self) -> impl Serialize + '_ {
        let revision = &self.revision;
        Wire {
            id: revision.id,
            r#type: revision.type_id,
            media: &self.media,
            localizations: &self.localizations,
            segments: self.segments.as_deref(),
            attributes: &revision.attributes,
            created_datetime: revision.created_at,
            modified_datetime: revision.modified_at,
            modified_by: revision.modified_by,
            created_by: revision.created_by,
            variant_deleted: revision.variant_deleted,
            effective_permission: 0,
            version: revision.version,
            frame: self.frame,
            parent: revision.parent,
            elemental_id: &revision.elemental_id,
            mark: revision.mark,
        }
    }

    fn fit(&mut self, of: &EntityType) -> Result<()> {
        if of.association() == "Frame" && self.frame.is_none() {
            return Err(Error::invalid(
                "Missing required field in request body \"frame\".",
            ));
        }
        Ok(())
    }

    fn links(&self) -> (&[i64], &[i64]) {
        (&self.media, &self.localizations)
    }

    async fn settle(&mut self, tx: &mut Tx, before: Option<&Self>) -> Result<()> {
        if let Some(before) = before {
            let project = self.revision.project;
            track::check_members(
                tx,
                &added(&before.localizations, &self.localizations),
                project,
            )
            .await?;
            media::service::check_of_project(tx, &added(&before.media, &self.media), project)
                .await?;
        }
        if before.is_none_or(|before| before.localizations != self.localizations) {
            self.segments = segments(track::frames(tx, &self.localizations).await?);
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Wire<'s> {
    id: i64,
    r#type: i64,
    media: &'s [i64],
    localizations: &'s [i64],
    segments: Option<&'s [[i64; 2]]>,
    attributes: &'s Document,
    #[serde(serialize_with = "time::serialize")]
    created_datetime: i64,
    #[serde(serialize_with = "time::serialize")]
    modified_datetime: i64,
    modified_by: Option<i64>,
    created_by: Option<i64>,
    variant_deleted: bool,
    effective_permission: i64,
    version: i64,
    frame: Option<i64>,
    parent: Option<i64>,
    elemental_id: &'s str,
    mark: i64,
}

/// A state to be made.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewState {
    pub r#type: i64,
    pub media_ids: Vec<i64>,
    #[serde(default)]
    pub localization_ids: Vec<i64>,
    pub frame: Option<i64>,
    pub version: Option<i64>,
    pub parent: Option<f64>,
    pub elemental_id: Option<String>,
    pub mark: Option<i64>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub user_elemental_id: Option<String>,
}

/// Ids that a list has gained.
fn added(before: &[i64], after: &[i64]) -> HashSet<i64> {
    let known: HashSet<i64> = before.iter().copied().collect();
    after
        .iter()
        .copied()
        .filter(|id| !known.contains(id))
        .collect()
}

/// Merges frames into runs of consecutive ones; none for no frames.
pub(super) fn segments(frames: impl IntoIterator<Item = i64>) -> Option<Vec<[i64; 2]>> {
    let mut runs: Vec<[i64; 2]> = Vec::new();
    for frame in frames.into_iter().collect::<BTreeSet<_>>() {
        match runs.last_mut() {
            Some(run) if run[1] + 1 == frame => run[1] = frame,
            _ => runs.push([frame, frame]),
        }
    }
    (!runs.is_empty()).then_some(runs)
}

#[cfg(test)]
mod tests {
    use super::segments;

    #[test]
    fn consecutive_frames_merge_and_no_frames_are_none() {
        assert_eq!(segments([7, 1, 2, 2, 3]), Some(vec![[1, 3], [7, 7]]));
        assert_eq!(segments([]), None);
    }
}
