//! Built-in columns that filters and orders may name.

use crate::attribute::{Dtype, Kind};

/// How a column compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Int,
    Real,
    Time,
    Text,
}

impl Scalar {
    /// The type of attributes that compare in the same way.
    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::Int => Dtype::Int,
            Self::Real => Dtype::Float,
            Self::Time => Dtype::Datetime,
            Self::Text => Dtype::String,
        }
    }
}

/// The column behind a name such as `$frame`, where the kind has it.
pub(crate) fn column(kind: Kind, name: &str) -> Option<(&'static str, Scalar)> {
    let annotation = matches!(kind, Kind::Localization | Kind::State);
    let place = kind == Kind::Localization;
    let media = kind == Kind::Media;
    let named = matches!(kind, Kind::Media | Kind::Leaf | Kind::File);
    Some(match name {
        "$id" => ("id", Scalar::Int),
        "$type" => ("type", Scalar::Int),
        "$created_by" | "$user" => ("created_by", Scalar::Int),
        "$modified_by" => ("modified_by", Scalar::Int),
        "$created_datetime" => ("created_at", Scalar::Time),
        "$modified_datetime" => ("modified_at", Scalar::Time),
        "$elemental_id" => ("elemental_id", Scalar::Text),
        "$version" if annotation => ("version", Scalar::Int),
        "$frame" if annotation => ("frame", Scalar::Int),
        "$mark" if annotation => ("mark", Scalar::Int),
        "$x" if place => ("x", Scalar::Real),
        "$y" if place => ("y", Scalar::Real),
        "$u" if place => ("u", Scalar::Real),
        "$v" if place => ("v", Scalar::Real),
        "$media" if place => ("media", Scalar::Int),
        "$width" if place || media => ("width", Scalar::Real),
        "$height" if place || media => ("height", Scalar::Real),
        "$fps" if media => ("fps", Scalar::Real),
        "$num_frames" if media => ("num_frames", Scalar::Int),
        "$md5" if media => ("md5", Scalar::Text),
        "$archive_state" if media => ("archive_state", Scalar::Text),
        "$name" if named => ("name", Scalar::Text),
        "$path" if matches!(kind, Kind::Leaf | Kind::File) => ("path", Scalar::Text),
        "$depth" if kind == Kind::Leaf => ("depth", Scalar::Int),
        _ => return None,
    })
}
