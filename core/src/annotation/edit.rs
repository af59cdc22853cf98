//! One editing request: its transaction, its stamp, and what it has changed so far.

use crate::database::Tx;
use crate::error::Result;
use crate::journal::{Ledger, Stamp};

/// What the steps of one edit share; [`Edit::finish`] writes the journal.
pub(super) struct Edit<'e> {
    pub tx: &'e mut Tx,
    pub stamp: &'e Stamp,
    pub ledger: Ledger,
}

impl<'e> Edit<'e> {
    pub fn new(tx: &'e mut Tx, stamp: &'e Stamp) -> Self {
        Self {
            tx,
            stamp,
            ledger: Ledger::default(),
        }
    }

    /// Writes what was changed into the journal of the project.
    pub async fn finish(self, project: i64) -> Result<()> {
        self.ledger.write(self.tx, self.stamp, project).await
    }
}
