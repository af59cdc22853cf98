//! Routes of version.

use crate::http::Operation;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    Vec::new()
}
