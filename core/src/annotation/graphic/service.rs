//! Finding what a graphic shows, and having it drawn.

use std::collections::HashMap;

use transect_frame_client::{Format, Fraction, Layout, Picture, Size};

use super::area::{Area, Margins, area};
use crate::account::Actor;
use crate::annotation::localization::Localization;
use crate::annotation::read::{Place, find};
use crate::annotation::state::State;
use crate::annotation::store;
use crate::annotation::types::Annotation;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type;
use crate::error::{Error, Result};
use crate::frames::{self, Film, Wanted, WantedTogether};
use crate::project::Level;
use crate::query::Selection;

const QUALITY: u8 = 95;

/// How the graphic of a localization should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct One {
    pub margins: Margins,
    pub size: Size,
    pub format: Format,
}

/// How the graphic of a track should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    /// Pictures per second of an animation; none for tiles in one row.
    pub rate: Option<Fraction>,
    pub size: (u32, u32),
    /// The first member that is shown.
    pub offset: usize,
    /// How many are shown at most.
    pub length: usize,
    pub format: Format,
}

/// A shape and the name of its kind.
type Shown = (Localization, String);

fn cut(film: &Film, (one, dtype): &Shown, margins: Margins) -> Result<Area> {
    let picture = (film.facts.width, film.facts.height);
    area(dtype, &one.geometry, margins, picture)
}

fn frame_of(one: &Localization) -> Result<u64> {
    u64::try_from(one.frame).map_err(|_| Error::invalid("frames count from zero"))
}

/// The part of a picture that a localization covers.
///
/// Errors: `NotFound`, `Forbidden`; those of the media's pictures.
pub(super) async fn localization(
    cx: &Context,
    actor: &Actor,
    id: i64,
    how: One,
) -> Result<Picture> {
    let reader = actor.clone();
    let shown: Shown = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let place = Place::Id(id);
                let one = find::<Localization>(tx, &reader, &place, Level::View).await?;
                let dtype = dtype(tx, one.revision.type_id).await?;
                Ok((one, dtype))
            })
        })
        .await?;
    let film = frames::film(cx, actor, shown.0.media).await?;
    let area = cut(&film, &shown, how.margins)?;
    let wanted = Wanted {
        frame: frame_of(&shown.0)?,
        size: how.size,
        roi: Some(area.roi((film.facts.width, film.facts.height))),
        format: how.format,
        quality: QUALITY,
    };
    frames::frame(cx, &film, wanted).await
}

async fn dtype(tx: &mut Tx, type_id: i64) -> Result<String> {
    Ok(entity_type::service::get(tx, Kind::Localization, type_id)
        .await?
        .dtype)
}

/// The members of a track, in the order of frames: side by side, or one after the other.
///
/// Errors: `NotFound`, `Forbidden`; `Invalid` for a state that is no track, has no member there, or
/// has members on several media; those of the media's pictures.
pub(super) async fn track(cx: &Context, actor: &Actor, id: i64, how: Track) -> Result<Picture> {
    let reader = actor.clone();
    let shown = cx
        .database
        .read(move |tx| Box::pin(async move { members(tx, &reader, id, how).await }))
        .await?;
    let media = shown[0].0.media;
    if shown.iter().any(|(one, _)| one.media != media) {
        return Err(Error::invalid(format!(
            "The localizations of state {id} lie on several media; their graphics can be had one by one from \
             LocalizationGraphic"
        )));
    }
    let film = frames::film(cx, actor, media).await?;
    let (mut frames, mut rois) = (Vec::new(), Vec::new());
    for one in &shown {
        let area = cut(&film, one, Margins::Default)?;
        frames.push(frame_of(&one.0)?);
        rois.push(area.roi((film.facts.width, film.facts.height)));
    }
    let layout = match how.rate {
        Some(rate) => Layout::Animate { rate },
        None => Layout::Tile {
            columns: u32::try_from(frames.len()).ok(),
            rows: Some(1),
        },
    };
    let (width, height) = how.size;
    let wanted = WantedTogether {
        frames,
        layout,
        roi: None,
        rois,
        size: Size::Exact { width, height },
        format: how.format,
        quality: QUALITY,
    };
    frames::compose(cx, &film, wanted).await
}

/// The members that are shown, never none.
async fn members(tx: &mut Tx, actor: &Actor, id: i64, how: Track) -> Result<Vec<Shown>> {
    let state = find::<State>(tx, actor, &Place::Id(id), Level::View).await?;
    let kind = entity_type::service::get(tx, Kind::State, state.revision().type_id).await?;
    if kind.association() != "Localization" {
        return Err(Error::invalid(format!(
            "State {id} is associated with {}; only states that are associated with localizations have a graphic",
            kind.association()
        )));
    }
    let mut selection = Selection::new(Kind::Localization, tx.dialect());
    selection.require("not t.deleted");
    selection.among("t.id", &state.localizations);
    selection.order_by("t.frame, t.id");
    let all = store::list::<Localization>(tx, &selection).await?;
    let count = all.len();
    let mut dtypes: HashMap<i64, String> = HashMap::new();
    let mut shown = Vec::new();
    for one in all.into_iter().skip(how.offset).take(how.length) {
        let type_id = one.revision.type_id;
        let dtype = match dtypes.get(&type_id) {
            Some(known) => known.clone(),
            None => dtype(tx, type_id).await?,
        };
        dtypes.insert(type_id, dtype.clone());
        shown.push((one, dtype));
    }
    if shown.is_empty() {
        return Err(Error::invalid(format!(
            "State {id} has {count} localizations, and none from {} on",
            how.offset
        )));
    }
    Ok(shown)
}
