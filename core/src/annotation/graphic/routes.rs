//! Routes of graphics.

use serde::Deserialize;
use transect_frame_client::{Format, Fraction, Picture, Size};

use super::area::Margins;
use super::service::{self, One, Track};
use crate::error::{Error, Result};
use crate::frames::routes::{by, format};
use crate::http::{Answer, Call, Operation};

/// The fastest animation, in pictures per second.
const MOST_FPS: f64 = 100.0;

/// The operations on graphics.
pub(in crate::annotation) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/LocalizationGraphic/{id}", "GetLocalizationGraphic", localization)
            .about("The part of the picture that a localization covers.")
            .query("force_scale: string, max_height: int<1..16384>, use_default_margins: bool=true, margin_x: int<0..100000>=0, margin_y: int<0..100000>=0")
            .binary("image/*", &["png", "jpg", "webp"]),
        Operation::get("/rest/StateGraphic/{id}", "GetStateGraphic", state)
            .about("The localizations of a track, as an animation or side by side.")
            .query("mode: enum(animate|tile)=\"animate\", fps: number=2, force_scale: string=\"224x224\", length: int<1..100>=100, offset: int<0..>=0")
            .binary("image/*", &["png", "jpg", "webp", "gif", "mp4"]),
    ]
}

fn answer(picture: Picture) -> Answer {
    Answer::bytes(picture.mime, picture.bytes)
}

async fn localization(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Query {
        force_scale: Option<String>,
        max_height: Option<u32>,
        use_default_margins: bool,
        margin_x: u32,
        margin_y: u32,
    }
    let query: Query = call.query()?;
    let size = match (&query.force_scale, query.max_height) {
        (Some(text), _) => {
            let (width, height) = by(text, "force_scale")?;
            Size::Exact { width, height }
        }
        (None, Some(height)) => Size::MaxHeight(height),
        (None, None) => Size::Native,
    };
    let margins = if query.use_default_margins {
        Margins::Default
    } else {
        Margins::Pixels(query.margin_x.into(), query.margin_y.into())
    };
    let how = One {
        margins,
        size,
        format: format(&call, Format::Png),
    };
    let picture = service::localization(&call.cx, call.actor()?, call.id("id"), how).await?;
    Ok(answer(picture))
}

async fn state(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Query {
        mode: String,
        fps: f64,
        force_scale: String,
        length: usize,
        offset: usize,
    }
    let query: Query = call.query()?;
    let animate = query.mode == "animate";
    if animate && !(query.fps > 0.0 && query.fps <= MOST_FPS) {
        return Err(Error::invalid_because(
            "Query parameter error: fps",
            format!("{} is not above 0 and at most {MOST_FPS}", query.fps),
        ));
    }
    let rate = Fraction {
        num: ((query.fps * 1000.0).round() as i64).max(1),
        den: 1000,
    };
    let how = Track {
        rate: animate.then_some(rate),
        size: by(&query.force_scale, "force_scale")?,
        offset: query.offset,
        length: query.length,
        format: format(&call, if animate { Format::Gif } else { Format::Png }),
    };
    let picture = service::track(&call.cx, call.actor()?, call.id("id"), how).await?;
    Ok(answer(picture))
}
