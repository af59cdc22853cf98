//! The declared attributes of a project, as searches need them.

use std::collections::HashMap;

use crate::attribute::{self, Definition, Definitions, Kind};
use crate::database::Tx;
use crate::error::Result;

/// Attribute definitions of every kind in one project, by type.
pub struct Schema {
    pub(super) project: i64,
    kinds: HashMap<Kind, HashMap<i64, Definitions>>,
}

impl Schema {
    /// Reads the definitions of a project.
    pub async fn load(tx: &mut Tx, project: i64) -> Result<Self> {
        let mut kinds = HashMap::new();
        for kind in [
            Kind::Media,
            Kind::Localization,
            Kind::State,
            Kind::Leaf,
            Kind::File,
        ] {
            kinds.insert(
                kind,
                attribute::definitions_of_kind(tx, kind, project).await?,
            );
        }
        Ok(Self { project, kinds })
    }

    /// The attributes of one type; empty for a type without any.
    pub fn of_type(&self, kind: Kind, type_id: i64) -> &[Definition] {
        self.kinds
            .get(&kind)
            .and_then(|types| types.get(&type_id))
            .map_or(&[], Vec::as_slice)
    }

    /// The names of the attributes of one type, or of all types of the kind.
    pub fn names(&self, kind: Kind, type_id: Option<i64>) -> Vec<String> {
        let mut definitions: Vec<&Definition> = self
            .kinds
            .get(&kind)
            .into_iter()
            .flatten()
            .filter(|(id, _)| type_id.is_none_or(|wanted| wanted == **id))
            .flat_map(|(_, definitions)| definitions)
            .collect();
        // In the order of the types, and as each type has them.
        definitions.sort_by_key(|definition| definition.type_id);
        let mut names: Vec<String> = Vec::new();
        for definition in definitions {
            if !names.contains(&definition.name) {
                names.push(definition.name.clone());
            }
        }
        names
    }

    /// Every definition of that name, of one type or of all types of the kind.
    pub(crate) fn named(&self, kind: Kind, type_id: Option<i64>, name: &str) -> Vec<&Definition> {
        let Some(types) = self.kinds.get(&kind) else {
            return Vec::new();
        };
        let mut found: Vec<&Definition> = types
            .iter()
            .filter(|(id, _)| type_id.is_none_or(|wanted| wanted == **id))
            .flat_map(|(_, definitions)| definitions)
            .filter(|definition| definition.name == name)
            .collect();
        found.sort_by_key(|definition| definition.id);
        found
    }
}
