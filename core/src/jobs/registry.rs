//! The list of everything that can be done in the background.

use futures::future::BoxFuture;

use super::runner::Run;
use super::types::Pool;
use crate::error::Result;
use crate::{media, recording, transcode, workflow};

/// One kind of job.
#[derive(Clone, Copy)]
pub struct Work {
    /// Its name in the rows.
    pub kind: &'static str,
    /// Where it runs.
    pub pool: Pool,
    /// How often it is begun before a passing trouble counts as a failure.
    pub attempts: i64,
    /// Does it. An error that is nobody's fault (`Busy`, `StorageFull`, `Internal`) is tried again.
    pub body: fn(Run) -> BoxFuture<'static, Result<()>>,
}

/// Every kind.
pub fn works() -> &'static [Work] {
    &[
        workflow::WORK,
        media::fetch::WORK,
        transcode::TRANSCODE,
        transcode::IMPORT,
        transcode::PROXY,
        recording::WORK,
        #[cfg(test)]
        super::tests::WORK,
    ]
}

pub(super) fn find(kind: &str) -> Option<Work> {
    works().iter().copied().find(|work| work.kind == kind)
}
