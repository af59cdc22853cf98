//! Routes of entity_type.

use crate::http::Operation;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    Vec::new()
}
