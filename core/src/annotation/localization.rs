//! Localizations: boxes, lines, dots and polygons on one frame of one media.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::types::{Annotation, Document, Revision};
use crate::attribute::Kind;
use crate::database::{Row, Value};
use crate::error::Result;
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
    ];

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

    fn frame(&self) -> Option<i64> {
        Some(self.frame)
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
    #[serde(flatten)]
    pub geometry: GivenGeometry,
    pub parent: Option<f64>,
    pub elemental_id: Option<String>,
    pub mark: Option<i64>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub user_elemental_id: Option<String>,
}
