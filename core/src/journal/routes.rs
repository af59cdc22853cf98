//! Routes of the journal: the change log.

use crate::http::Operation;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    Vec::new()
}
