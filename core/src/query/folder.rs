//! The folder of a media in simple filters: `$section` by its id, `tator_user_sections` by its UUID.
//! Annotations are in the folders of their media.

use super::attribute::Compare;
use super::selection::Selection;
use crate::attribute::Kind;
use crate::error::{Error, Result};

/// Whether a filter's key means a folder.
pub(super) fn is_name(name: &str) -> bool {
    matches!(name, "$section" | "tator_user_sections")
}

/// Whether rows of a kind are in folders.
pub(super) fn has(kind: Kind) -> bool {
    matches!(kind, Kind::Media | Kind::Localization | Kind::State)
}

/// The condition that a filter on the folder means for rows of `alias`.
///
/// Errors: `Invalid` for another comparison than equality and null, or an id that is no number.
pub(super) fn condition(
    selection: &mut Selection,
    kind: Kind,
    alias: &str,
    name: &str,
    compare: Compare,
    text: &str,
) -> Result<String> {
    let far = if kind == Kind::Media {
        alias.to_owned()
    } else {
        selection.alias()
    };
    let own = match compare {
        Compare::Null if text.eq_ignore_ascii_case("true") || text == "1" => {
            format!("{far}.primary_section is null")
        }
        Compare::Null => format!("{far}.primary_section is not null"),
        Compare::Equal if name == "$section" => {
            let id: i64 = text.trim().parse().map_err(|_| {
                Error::invalid(format!(
                    "Invalid value \"{text}\" for {name}: it is the id of a section"
                ))
            })?;
            let place = selection.bind(id);
            format!("{far}.primary_section = {place}")
        }
        Compare::Equal => {
            let place = selection.bind(text);
            format!(
                "{far}.primary_section in (select id from section where tator_user_sections = {place})"
            )
        }
        _ => {
            return Err(Error::invalid(format!(
                "{name} is compared with attribute and attribute_null only"
            )));
        }
    };
    Ok(match kind {
        Kind::Media => own,
        Kind::State => format!(
            "{alias}.id in (select sm.state from state_media sm join media {far} on {far}.id = sm.media \
             where not {far}.deleted and {own})"
        ),
        _ => format!(
            "{alias}.media in (select {far}.id from media {far} where not {far}.deleted and {own})"
        ),
    })
}
