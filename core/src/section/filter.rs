//! Which sections of a project a request is about.

use serde::Deserialize;

use super::path::is_within;
use super::pattern::Pattern;
use super::search;
use super::types::Section;
use crate::attribute::Definition;
use crate::error::Result;
use crate::id;

/// The query of section lists; what is given must all hold.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SectionFilter {
    /// The name, in any case.
    pub name: Option<String>,
    /// A search object over attributes and built-in columns.
    pub encoded_search: Option<String>,
    pub elemental_id: Option<String>,
    /// A pattern of paths.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// A path whose ancestors, and itself, are meant.
    pub ancestors: Option<String>,
    /// A path whose descendants, and itself, are meant.
    pub descendants: Option<String>,
}

impl SectionFilter {
    /// The sections that pass, in their order.
    ///
    /// Errors: `Invalid` for a malformed UUID, pattern or search.
    pub fn apply(
        &self,
        sections: Vec<Section>,
        definitions: &[Definition],
    ) -> Result<Vec<Section>> {
        let name = self.name.as_ref().map(|name| name.to_lowercase());
        let uuid = self
            .elemental_id
            .as_deref()
            .map(id::parse_uuid)
            .transpose()?;
        let pattern = self.pattern.as_deref().map(Pattern::parse).transpose()?;
        let search = self
            .encoded_search
            .as_deref()
            .map(search::decode)
            .transpose()?;
        let mut passed = Vec::with_capacity(sections.len());
        for section in sections {
            let at = |test: &dyn Fn(&str) -> bool| section.path.as_deref().is_some_and(test);
            let (above, below) = (self.ancestors.as_deref(), self.descendants.as_deref());
            let fits = name
                .as_ref()
                .is_none_or(|name| *name == section.name.to_lowercase())
                && uuid
                    .as_ref()
                    .is_none_or(|uuid| *uuid == section.elemental_id)
                && pattern
                    .as_ref()
                    .is_none_or(|pattern| at(&|path| pattern.matches(path)))
                && above.is_none_or(|path| at(&|own| is_within(path, own)))
                && below.is_none_or(|path| at(&|own| is_within(own, path)));
            let found = match &search {
                Some(search) if fits => search::matches(search, &section, definitions)?,
                _ => fits,
            };
            if found {
                passed.push(section);
            }
        }
        Ok(passed)
    }
}
