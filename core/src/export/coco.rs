//! COCO instances (<https://cocodataset.org/#format-data>): boxes and polygons.
//!
//! Every image and every annotated frame of a video is an entry of `images`; a frame's entry also
//! says its video (`video_id`) and its number (`frame_id`), and videos stand in `videos` with the
//! fingerprint of their frames. Ids of annotations are the station's, elemental ids go with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{Export, Report, write_whole};
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type;
use crate::error::Result;
use crate::values;

/// A box or polygon with what is needed of its media.
struct Shape {
    id: i64,
    type_id: i64,
    media: i64,
    frame: i64,
    numbers: [Option<f64>; 4],
    points: Json,
    attributes: Json,
    elemental_id: String,
}

/// A media with annotations.
struct Picture {
    name: String,
    width: f64,
    height: f64,
    num_frames: Option<i64>,
    fingerprint: Option<String>,
}

pub(super) async fn export(cx: &Context, project: i64, what: &Export) -> Result<Report> {
    let (types, media, shapes) = cx
        .database
        .read(move |tx| Box::pin(rows(tx, project)))
        .await?;
    let mut document = Document::default();
    let (mut lines, mut dots, mut sizeless) = (0, 0, 0);
    let (mut shapeless, mut uncategorized) = (0, 0);
    for shape in shapes {
        let Some(of) = types.iter().find(|of| of.id == shape.type_id) else {
            continue;
        };
        match of.dtype.as_str() {
            "line" => lines += 1,
            "dot" => dots += 1,
            dtype => {
                let named = what
                    .category
                    .as_deref()
                    .map(|name| text(&shape.attributes[name]));
                let category = match named {
                    Some(Some(value)) => value,
                    Some(None) => {
                        uncategorized += 1;
                        of.name.clone()
                    }
                    None => of.name.clone(),
                };
                if dtype == "box" && shape.numbers.contains(&None) {
                    shapeless += 1;
                    continue;
                }
                match media
                    .get(&shape.media)
                    .filter(|media| media.width > 0.0 && media.height > 0.0)
                {
                    Some(media) => document.add(&shape, media, dtype, &category),
                    None => sizeless += 1,
                }
            }
        }
    }
    let mut losses = Vec::new();
    for (count, reason) in [
        (lines, "lines: the format has no lines"),
        (
            dots,
            "points: the format has points only as key points of a skeleton",
        ),
        (shapeless, "boxes without a place or size"),
        (
            uncategorized,
            "annotations have no value of the category attribute: they are in the category of their type",
        ),
        (sizeless, "annotations on media whose size is not known"),
    ] {
        if count > 0 {
            losses.push(format!("{count} {reason}"));
        }
    }
    let (images, annotations, categories) = (
        document.images.len(),
        document.annotations.len(),
        document.categories.len(),
    );
    let out = what.out.clone();
    let bytes = serde_json::to_vec(&document.json(&what.project))?;
    tokio::task::spawn_blocking(move || write_whole(&out, &bytes))
        .await
        .map_err(|error| crate::error::Error::internal("write the export", error))??;
    Ok(Report {
        path: what.out.display().to_string(),
        annotations,
        images,
        categories,
        losses,
    })
}

/// A value of an attribute as a name.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) if text.is_empty() => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

type Rows = (
    Vec<entity_type::EntityType>,
    BTreeMap<i64, Picture>,
    Vec<Shape>,
);

async fn rows(tx: &mut Tx, project: i64) -> Result<Rows> {
    let types = entity_type::service::list_of_project(tx, Kind::Localization, project).await?;
    let mut media = BTreeMap::new();
    let sql = "select m.id, m.name, m.width, m.height, m.num_frames, s.fingerprint from media m \
               left join media_source s on s.media = m.id where m.project = $1 and not m.deleted";
    for mut row in tx.rows(sql, &values![project]).await? {
        let id = row.take()?;
        let (name, width, height): (_, Option<i64>, Option<i64>) =
            (row.take()?, row.take()?, row.take()?);
        let picture = Picture {
            name,
            width: width.unwrap_or_default() as f64,
            height: height.unwrap_or_default() as f64,
            num_frames: row.take()?,
            fingerprint: row.take()?,
        };
        media.insert(id, picture);
    }
    let mut shapes = Vec::new();
    let sql = "select id, type, media, frame, x, y, width, height, points, attributes, elemental_id \
               from localization where project = $1 and latest and not deleted and not variant_deleted \
               order by media, frame, id";
    tx.each(sql, &values![project], |mut row| {
        shapes.push(Shape {
            id: row.take()?,
            type_id: row.take()?,
            media: row.take()?,
            frame: row.take()?,
            numbers: [row.take()?, row.take()?, row.take()?, row.take()?],
            points: row.take()?,
            attributes: row.take()?,
            elemental_id: row.take()?,
        });
        Ok(())
    })
    .await?;
    Ok((types, media, shapes))
}

#[derive(Default)]
struct Document {
    videos: BTreeMap<i64, Json>,
    images: Vec<Json>,
    image_ids: BTreeMap<(i64, i64), usize>,
    categories: Vec<String>,
    annotations: Vec<Json>,
}

impl Document {
    fn add(&mut self, shape: &Shape, media: &Picture, dtype: &str, category: &str) {
        let (bounds, polygon) = match dtype {
            "poly" => outline(&shape.points, media),
            _ => {
                let [x, y, width, height] = shape.numbers.map(Option::unwrap_or_default);
                let (w, h) = (media.width, media.height);
                ([x * w, y * h, width * w, height * h], Vec::new())
            }
        };
        let area = if polygon.is_empty() {
            bounds[2] * bounds[3]
        } else {
            area(&polygon)
        };
        let segmentation = if polygon.is_empty() {
            json!([])
        } else {
            json!([polygon])
        };
        let image = self.image(shape, media);
        let category = self.category(category);
        self.annotations.push(json!({
            "id": shape.id,
            "image_id": image,
            "category_id": category,
            "bbox": bounds,
            "area": area,
            "segmentation": segmentation,
            "iscrowd": 0,
            "attributes": shape.attributes,
            "elemental_id": shape.elemental_id,
        }));
    }

    fn image(&mut self, shape: &Shape, media: &Picture) -> usize {
        let next = self.images.len() + 1;
        let id = *self
            .image_ids
            .entry((shape.media, shape.frame))
            .or_insert(next);
        if id < next {
            return id;
        }
        let mut image = Map::new();
        image.insert("id".into(), json!(id));
        image.insert("width".into(), json!(media.width as i64));
        image.insert("height".into(), json!(media.height as i64));
        match media.num_frames {
            Some(frames) => {
                image.insert(
                    "file_name".into(),
                    json!(format!("{}#frame={}", media.name, shape.frame)),
                );
                image.insert("video_id".into(), json!(shape.media));
                image.insert("frame_id".into(), json!(shape.frame));
                self.videos.entry(shape.media).or_insert_with(|| {
                    json!({
                        "id": shape.media, "name": media.name, "width": media.width as i64,
                        "height": media.height as i64, "num_frames": frames, "fingerprint": media.fingerprint,
                    })
                });
            }
            None => {
                image.insert("file_name".into(), json!(media.name));
            }
        }
        self.images.push(Json::Object(image));
        id
    }

    fn category(&mut self, name: &str) -> usize {
        let found = self.categories.iter().position(|known| known == name);
        found.unwrap_or_else(|| {
            self.categories.push(name.to_owned());
            self.categories.len() - 1
        }) + 1
    }

    fn json(self, project: &str) -> Json {
        let categories: Vec<Json> = self
            .categories
            .iter()
            .enumerate()
            .map(|(at, name)| json!({"id": at + 1, "name": name, "supercategory": ""}))
            .collect();
        json!({
            "info": {"description": project, "version": env!("CARGO_PKG_VERSION")},
            "licenses": [],
            "videos": self.videos.into_values().collect::<Vec<_>>(),
            "images": self.images,
            "categories": categories,
            "annotations": self.annotations,
        })
    }
}

/// Bounds `[x, y, width, height]` and the flat list of vertices, in pixels.
fn outline(points: &Json, media: &Picture) -> ([f64; 4], Vec<f64>) {
    let mut flat = Vec::new();
    let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
    for point in points.as_array().into_iter().flatten() {
        let place = [
            point[0].as_f64().unwrap_or_default() * media.width,
            point[1].as_f64().unwrap_or_default() * media.height,
        ];
        for axis in 0..2 {
            low[axis] = low[axis].min(place[axis]);
            high[axis] = high[axis].max(place[axis]);
        }
        flat.extend(place);
    }
    if flat.is_empty() {
        return ([0.0; 4], flat);
    }
    ([low[0], low[1], high[0] - low[0], high[1] - low[1]], flat)
}

/// The area of a polygon given as a flat list of vertices (the shoelace formula).
fn area(flat: &[f64]) -> f64 {
    let count = flat.len() / 2;
    let twice: f64 = (0..count)
        .map(|at| {
            let next = (at + 1) % count;
            flat[2 * at] * flat[2 * next + 1] - flat[2 * next] * flat[2 * at + 1]
        })
        .sum();
    twice.abs() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_has_its_bounds_and_area_in_pixels() {
        let media = Picture {
            name: "a".into(),
            width: 100.0,
            height: 50.0,
            num_frames: None,
            fingerprint: None,
        };
        let (bounds, flat) = outline(&json!([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), &media);
        assert_eq!(bounds, [0.0, 0.0, 100.0, 50.0]);
        assert_eq!(area(&flat), 2500.0);
    }
}
