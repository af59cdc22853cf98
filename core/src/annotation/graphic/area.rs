//! Which pixels of a picture a localization covers.

use serde_json::Value as Json;
use transect_frame_client::Roi;

use crate::annotation::localization::Geometry;
use crate::error::{Error, Result};

/// Pixels around dots and lines, which have no extent of their own.
const DEFAULT_MARGIN: f64 = 10.0;
/// Nothing smaller can be looked at.
const LEAST_PIXELS: u32 = 3;

/// How much is shown around a localization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Margins {
    /// What suits the shape: 10 pixels around dots and lines, nothing around boxes and polygons.
    Default,
    /// Pixels to the left and right, above and below.
    Pixels(f64, f64),
}

/// A rectangle in pixels within a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Area {
    /// The area as a part of the picture.
    pub fn roi(self, picture: (u32, u32)) -> Roi {
        Roi::of_pixels((self.x, self.y), (self.width, self.height), picture)
    }
}

/// The pixels that a shape of this dtype covers with its margins: cut to the picture, and at least
/// three pixels wide and high.
///
/// Errors: `Invalid` for a polygon without points.
pub(super) fn area(
    dtype: &str,
    shape: &Geometry,
    margins: Margins,
    picture: (u32, u32),
) -> Result<Area> {
    let [left, top, right, bottom] = bounds(dtype, shape)?;
    let (across, down) = match margins {
        Margins::Pixels(across, down) => (across, down),
        Margins::Default if matches!(dtype, "dot" | "line") => (DEFAULT_MARGIN, DEFAULT_MARGIN),
        Margins::Default => (0.0, 0.0),
    };
    let (x, width) = span(left, right, across, picture.0);
    let (y, height) = span(top, bottom, down, picture.1);
    Ok(Area {
        x,
        y,
        width,
        height,
    })
}

/// Left, top, right and bottom edge, relative to the picture.
fn bounds(dtype: &str, shape: &Geometry) -> Result<[f64; 4]> {
    let (x, y) = (shape.x.unwrap_or(0.0), shape.y.unwrap_or(0.0));
    let corners = match dtype {
        "poly" => points(shape)?,
        "line" => vec![
            (x, y),
            (x + shape.u.unwrap_or(0.0), y + shape.v.unwrap_or(0.0)),
        ],
        "dot" => vec![(x, y)],
        _ => vec![
            (x, y),
            (
                x + shape.width.unwrap_or(0.0),
                y + shape.height.unwrap_or(0.0),
            ),
        ],
    };
    let start = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
    Ok(corners
        .into_iter()
        .fold(start, |[left, top, right, bottom], (x, y)| {
            [left.min(x), top.min(y), right.max(x), bottom.max(y)]
        }))
}

fn points(shape: &Geometry) -> Result<Vec<(f64, f64)>> {
    let points: Json = match &shape.points {
        Some(document) => serde_json::from_str(document.text())?,
        None => Json::Null,
    };
    let points: Vec<(f64, f64)> = points
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|point| Some((point.get(0)?.as_f64()?, point.get(1)?.as_f64()?)))
        .collect();
    if points.is_empty() {
        return Err(Error::invalid("The polygon has no points to show"));
    }
    Ok(points)
}

/// First pixel and number of pixels between two relative edges.
fn span(from: f64, to: f64, margin: f64, size: u32) -> (u32, u32) {
    let whole = f64::from(size);
    let pixel = |edge: f64| edge.round().clamp(0.0, whole) as u32;
    let (start, end) = (pixel(from * whole - margin), pixel(to * whole + margin));
    let least = LEAST_PIXELS.min(size);
    if end - start >= least {
        return (start, end - start);
    }
    let middle = (start + end) / 2;
    (middle.saturating_sub(least / 2).min(size - least), least)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::annotation::Document;

    const PICTURE: (u32, u32) = (1280, 720);

    fn shape(x: f64, y: f64, a: f64, b: f64) -> Geometry {
        Geometry {
            x: Some(x),
            y: Some(y),
            width: Some(a),
            height: Some(b),
            u: Some(a),
            v: Some(b),
            points: None,
        }
    }

    fn found(dtype: &str, shape: &Geometry, margins: Margins) -> [u32; 4] {
        let area = area(dtype, shape, margins, PICTURE).unwrap();
        [area.x, area.y, area.width, area.height]
    }

    #[test]
    fn boxes_are_cut_to_the_picture() {
        let none = Margins::Default;
        assert_eq!(
            found("box", &shape(0.25, 0.5, 0.5, 0.25), none),
            [320, 360, 640, 180]
        );
        assert_eq!(
            found("box", &shape(0.75, 0.0, 0.5, 2.0), none),
            [960, 0, 320, 720]
        );
        let wide = Margins::Pixels(30.0, 5.0);
        assert_eq!(
            found("box", &shape(0.0, 0.5, 0.5, 0.25), wide),
            [0, 355, 670, 190]
        );
    }

    #[test]
    fn tiny_shapes_are_three_pixels_and_stay_inside() {
        for (x, y, at) in [
            (0.5, 0.5, [639, 359]),
            (0.0, 0.0, [0, 0]),
            (1.0, 1.0, [1277, 717]),
        ] {
            let [left, top] = at;
            assert_eq!(
                found("box", &shape(x, y, 0.0, 0.0), Margins::Default),
                [left, top, 3, 3]
            );
        }
        let picture = (2, 1);
        let small = area("box", &shape(0.5, 0.5, 0.0, 0.0), Margins::Default, picture).unwrap();
        assert_eq!((small.width, small.height), picture);
    }

    #[test]
    fn dots_and_lines_have_margins() {
        let dot = shape(0.5, 0.5, 0.9, 0.9);
        assert_eq!(found("dot", &dot, Margins::Default), [630, 350, 20, 20]);
        assert_eq!(
            found("dot", &dot, Margins::Pixels(0.0, 0.0)),
            [639, 359, 3, 3]
        );
        let backwards = shape(0.5, 0.5, -0.25, 0.25);
        assert_eq!(
            found("line", &backwards, Margins::Default),
            [310, 350, 340, 200]
        );
    }

    #[test]
    fn polygons_are_as_large_as_their_points() {
        let points = json!([[0.5, 0.25], [0.25, 0.5], [0.75, 0.5]]);
        let polygon = Geometry {
            points: Some(Document::of_json(&points).unwrap()),
            ..Geometry::default()
        };
        assert_eq!(
            found("poly", &polygon, Margins::Default),
            [320, 180, 640, 180]
        );
        let empty = area("poly", &Geometry::default(), Margins::Default, PICTURE);
        assert!(matches!(empty, Err(Error::Invalid { .. })));
    }

    #[test]
    fn an_area_is_the_part_that_a_worker_cuts_out() {
        let area = Area {
            x: 317,
            y: 5,
            width: 3,
            height: 700,
        };
        let roi = area.roi(PICTURE);
        let pixels = |norm: f64, size: u32| (norm * f64::from(size)).round() as u32;
        assert_eq!(pixels(roi.x_norm, 1280), 317);
        assert_eq!(pixels(roi.x_norm + roi.width_norm, 1280), 320);
        assert_eq!(pixels(roi.y_norm + roi.height_norm, 720), 705);
    }
}
