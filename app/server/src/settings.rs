//! `transect settings`.

use crate::place::Place;
use crate::print;

/// Prints every setting as it is in effect, as TOML or as a JSON object a line.
pub fn perform(place: &Place, json: bool) -> anyhow::Result<u8> {
    let mut section = String::new();
    for one in place.effective()? {
        if json {
            print(&serde_json::to_string(&serde_json::json!({
                "key": format!("{}.{}", one.section, one.key),
                "value": one.value,
                "source": one.source.as_deref().unwrap_or("default"),
            }))?)?;
            continue;
        }
        if one.section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            print(&format!("{gap}[{}]", one.section))?;
            section.clone_from(&one.section);
        }
        let source = one
            .source
            .map_or(String::new(), |source| format!("  # {source}"));
        print(&format!("{} = {}{source}", one.key, one.value))?;
    }
    Ok(0)
}
