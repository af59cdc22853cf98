//! The folder of a media in simple filters: `$section` by its id, `tator_user_sections` by its UUID,
//! which a media may also carry without there being such a folder. Annotations are in the folders of
//! their media.

use super::attribute::{Compare, text_condition};
use super::page::json_text_of;
use super::selection::Selection;
use crate::attribute::Kind;
use crate::error::{Error, Result};

/// The key that compares by UUID.
const UUID: &str = "tator_user_sections";

/// Whether a filter's key means a folder.
pub(super) fn is_name(name: &str) -> bool {
    matches!(name, "$section" | UUID)
}

/// Whether rows of a kind are in folders.
pub(super) fn has(kind: Kind) -> bool {
    matches!(kind, Kind::Media | Kind::Localization | Kind::State)
}

/// The condition that a filter on the folder means for rows of `alias`.
///
/// Errors: `Invalid` for another comparison than equality, null or parts of the UUID, or an id that
/// is no number.
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
        Compare::Equal | Compare::Contains if name == UUID => {
            carries(selection, &far, compare, text)
        }
        Compare::Null if text.eq_ignore_ascii_case("true") || text == "1" => {
            format!("{far}.primary_section is null")
        }
        Compare::Null => format!("{far}.primary_section is not null"),
        Compare::Equal => {
            let id: i64 = text.trim().parse().map_err(|_| {
                Error::invalid(format!(
                    "Invalid value \"{text}\" for {name}: it is the id of a section"
                ))
            })?;
            let place = selection.bind(id);
            format!("{far}.primary_section = {place}")
        }
        _ => {
            return Err(Error::invalid(format!(
                "{name} can not be compared so: it is the folder of a media"
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

/// The condition that the folder of the media `far` has a UUID, or that it carries that of no folder.
fn carries(selection: &mut Selection, far: &str, compare: Compare, text: &str) -> String {
    let stray = json_text_of(selection, far, UUID);
    let of_folder = text_condition(selection, UUID, compare, text);
    let of_media = text_condition(selection, &stray, compare, text);
    format!(
        "({far}.primary_section in (select id from section where {of_folder}) \
         or ({far}.primary_section is null and {of_media}))"
    )
}
