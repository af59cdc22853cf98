//! Shapes of JSON: read from the compact notation of `components.txt`, printed as OpenAPI schemas,
//! and used to check request bodies and query strings.
//!
//! Checking also injects the schema's defaults, turns whole floats into integers where an integer
//! is declared, and treats an explicit null of an optional, non-nullable key as absence: the stock
//! clients send such nulls.

mod check;
mod notation;
mod schema;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

pub use check::read_query;
pub use notation::{parse, parse_fields};

/// The shape of one JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything.
    Any,
    /// true or false.
    Bool,
    /// An integer within bounds (inclusive).
    Int(Bounds),
    /// A number within bounds (inclusive).
    Number(Bounds),
    /// Text, with an OpenAPI format and bounds of its length.
    Text(Option<String>, Bounds),
    /// One of some texts.
    Enum(Vec<String>),
    /// A list of one shape, with bounds of its length.
    List(Box<Shape>, Bounds),
    /// An object with any keys, whose values have one shape.
    Map(Box<Shape>),
    /// An object with known keys; unknown ones are ignored, or kept when `open`.
    Object {
        /// The known keys.
        fields: Vec<Field>,
        /// Whether further keys are kept.
        open: bool,
    },
    /// The first that fits.
    OneOf(Vec<Shape>),
    /// A component by name.
    Ref(String),
    /// The inner shape or null.
    Nullable(Box<Shape>),
}

/// Inclusive bounds; either may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
}

/// One key of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Must be given.
    pub required: bool,
    /// The value's shape.
    pub shape: Shape,
    /// Injected when the key is absent.
    pub default: Option<Value>,
}

/// Every component of the document, by name.
pub static COMPONENTS: LazyLock<BTreeMap<String, Shape>> = LazyLock::new(|| {
    include_str!("../components.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (name, text) = line.split_once(" = ").expect("a component is NAME = SHAPE");
            (name.to_owned(), parse(text))
        })
        .collect()
});

/// The component of that name. Panics when `components.txt` lacks it.
pub fn component(name: &str) -> &'static Shape {
    COMPONENTS
        .get(name)
        .unwrap_or_else(|| panic!("components.txt has no {name}"))
}
