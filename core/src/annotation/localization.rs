//! Localizations: boxes, lines, dots and polygons on one frame of one media.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::types::{Annotation, Document, Revision};
use crate::attribute::Kind;
use crate::database::{Row, Value};
use crate::entity_type::EntityType;
use crate::error::{Error, Result};
use crate::query::{Form, Key};
use crate::time;
use crate::values;

/// A localization. Coordinates are relative to the picture (0–1, origin top left).
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Localization describes them"
)]
pub struct Localization {
    pub revision: Revision,
    pub media: i64,
    pub frame: i64,
    pub geometry: Geometry,
    pub thumbnail_image: Option<i64>,
}

/// The numbers of a shape; those that its type does not use are null.
#[derive(Debug, Clone, Default)]
pub struct Geometry {
    pub x: Option<f64>,
    pub y: Option<f64>,
    pub width: Option<f64>,
    pub height: Option<f64>,
    pub u: Option<f64>,
    pub v: Option<f64>,
    pub points: Option<Document>,
}

impl Annotation for Localization {
    const KIND: Kind = Kind::Localization;
    const NAME: &'static str = "Localization";
    const PLURAL: &'static str = "localizations";
    const COLUMNS: &'static [&'static str] = &[
        "media",
        "frame",
        "x",
        "y",
        "width",
        "height",
        "u",
        "v",
        "points",
        "thumbnail_image",
    ];
    const KEYS: &'static [Key] = &[
        Key::plain("id"),
        Key::plain("project"),
        Key::plain("type"),
        Key::plain("media"),
        Key::plain("thumbnail_image"),
        Key::plain("version"),
        Key::of("attributes", "attributes", Form::Document),
        Key::plain("created_by"),
        Key::of("created_datetime", "created_at", Form::Time),
        Key::of("modified_datetime", "modified_at", Form::Time),
        Key::plain("modified_by"),
        Key::of("user", "created_by", Form::Plain),
        Key::of("variant_deleted", "variant_deleted", Form::Flag),
        Key::of("effective_permission", "", Form::Always("0")),
        Key::plain("x"),
        Key::plain("y"),
        Key::plain("width"),
        Key::plain("height"),
        Key::plain("u"),
        Key::plain("v"),
        Key::of("points", "points", Form::Document),
        Key::plain("frame"),
        Key::plain("parent"),
        Key::plain("elemental_id"),
        Key::plain("mark"),
        Key::of("master_section", "", Form::Worked(Self::MASTER_SECTION)),
    ];
    const MASTER_SECTION: &'static str =
        "(select m.master_section from media m where m.id = t.media)";

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn revision_mut(&mut self) -> &mut Revision {
        &mut self.revision
    }

    fn values(&self) -> Vec<Value> {
        let shape = &self.geometry;
        values![
            self.media,
            self.frame,
            shape.x,
            shape.y,
            shape.width,
            shape.height,
            shape.u,
            shape.v,
            shape.points.as_ref().map(Document::text),
            self.thumbnail_image
        ]
        .to_vec()
    }

    fn read(mut row: Row) -> Result<Self> {
        let revision = Revision::read(&mut row)?;
        Ok(Self {
            revision,
            media: row.take()?,
            frame: row.take()?,
            geometry: Geometry {
                x: row.take()?,
                y: row.take()?,
                width: row.take()?,
                height: row.take()?,
                u: row.take()?,
                v: row.take()?,
                points: row.take()?,
            },
            thumbnail_image: row.take()?,
        })
    }

    fn wire(&self) -> impl Serialize + '_ {
        let (revision, shape) = (&self.revision, &self.geometry);
        Wire {
            id: revision.id,
            project: revision.project,
            r#type: revision.type_id,
            media: self.media,
            thumbnail_image: self.thumbnail_image,
            version: revision.version,
            attributes: &revision.attributes,
            created_by: revision.created_by,
            created_datetime: revision.created_at,
            modified_datetime: revision.modified_at,
            modified_by: revision.modified_by,
            user: revision.created_by,
            variant_deleted: revision.variant_deleted,
            effective_permission: 0,
            x: shape.x,
            y: shape.y,
            width: shape.width,
            height: shape.height,
            u: shape.u,
            v: shape.v,
            points: shape.points.as_ref(),
            frame: self.frame,
            parent: revision.parent,
            elemental_id: &revision.elemental_id,
            mark: revision.mark,
        }
    }

    fn fit(&mut self, of: &EntityType) -> Result<()> {
        self.trim(of);
        self.geometry.check_whole(&of.dtype)
    }

    fn trim(&mut self, of: &EntityType) {
        self.geometry.keep_own(&of.dtype);
    }
}

#[derive(Serialize)]
struct Wire<'l> {
    id: i64,
    project: i64,
    r#type: i64,
    media: i64,
    thumbnail_image: Option<i64>,
    version: i64,
    attributes: &'l Document,
    created_by: Option<i64>,
    #[serde(serialize_with = "time::serialize")]
    created_datetime: i64,
    #[serde(serialize_with = "time::serialize")]
    modified_datetime: i64,
    modified_by: Option<i64>,
    user: Option<i64>,
    variant_deleted: bool,
    effective_permission: i64,
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    u: Option<f64>,
    v: Option<f64>,
    points: Option<&'l Document>,
    frame: i64,
    parent: Option<i64>,
    elemental_id: &'l str,
    mark: i64,
}

/// The numbers of a shape as a request gives them; an absent one stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct GivenGeometry {
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    u: Option<f64>,
    v: Option<f64>,
    points: Option<Json>,
}

impl GivenGeometry {
    pub fn apply(&self, shape: &mut Geometry) -> Result<()> {
        shape.x = self.x.or(shape.x);
        shape.y = self.y.or(shape.y);
        shape.width = self.width.or(shape.width);
        shape.height = self.height.or(shape.height);
        shape.u = self.u.or(shape.u);
        shape.v = self.v.or(shape.v);
        if let Some(points) = &self.points {
            shape.points = Some(Document::of_json(points)?);
        }
        Ok(())
    }
}

/// A localization to be made.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewLocalization {
    pub media_id: i64,
    pub r#type: i64,
    pub version: Option<i64>,
    pub frame: i64,
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    u: Option<f64>,
    v: Option<f64>,
    points: Option<Box<RawValue>>,
    pub parent: Option<f64>,
    pub elemental_id: Option<String>,
    pub mark: Option<i64>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub user_elemental_id: Option<String>,
}

impl NewLocalization {
    pub fn geometry(&self) -> Geometry {
        Geometry {
            x: self.x,
            y: self.y,
            width: self.width,
            height: self.height,
            u: self.u,
            v: self.v,
            points: self.points.clone().map(Document::from),
        }
    }
}

impl Geometry {
    /// The numbers that a shape has, by the data type of its type.
    fn needed(dtype: &str) -> &'static [&'static str] {
        match dtype {
            "box" => &["x", "y", "width", "height"],
            "line" => &["x", "y", "u", "v"],
            "dot" => &["x", "y"],
            "poly" => &["points"],
            _ => &[],
        }
    }

    /// Drops what a shape of this data type does not have.
    pub(super) fn keep_own(&mut self, dtype: &str) {
        let needed = Self::needed(dtype);
        for (name, number) in [
            ("x", &mut self.x),
            ("y", &mut self.y),
            ("width", &mut self.width),
            ("height", &mut self.height),
            ("u", &mut self.u),
            ("v", &mut self.v),
        ] {
            if !needed.contains(&name) {
                *number = None;
            }
        }
        if !needed.contains(&"points") {
            self.points = None;
        }
    }

    /// Checks that a shape of this data type is whole.
    ///
    /// Errors: `Invalid`, naming what is missing.
    pub(super) fn check_whole(&self, dtype: &str) -> Result<()> {
        let missing = Self::needed(dtype).iter().find(|name| match **name {
            "x" => self.x.is_none(),
            "y" => self.y.is_none(),
            "width" => self.width.is_none(),
            "height" => self.height.is_none(),
            "u" => self.u.is_none(),
            "v" => self.v.is_none(),
            _ => self.points.is_none(),
        });
        match missing {
            None => Ok(()),
            Some(name) => Err(Error::invalid_because(
                format!("Missing required field in request body \"{name}\"."),
                format!("a {dtype} has {}", Self::needed(dtype).join(", ")),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_keeps_its_own_numbers_and_needs_all_of_them() {
        let all = Geometry {
            x: Some(0.1),
            y: Some(0.2),
            width: Some(0.3),
            height: Some(0.0),
            u: Some(0.4),
            v: None,
            points: None,
        };
        let mut shape = all.clone();
        shape.keep_own("box");
        assert!(shape.check_whole("box").is_ok() && shape.u.is_none());
        let mut shape = all.clone();
        shape.keep_own("dot");
        assert!(shape.check_whole("dot").is_ok() && shape.width.is_none());
        for (dtype, name) in [("line", "\"v\""), ("poly", "\"points\"")] {
            let error = all.check_whole(dtype).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
