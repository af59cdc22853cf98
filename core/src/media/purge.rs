//! Media whose time is over go for good, and the bytes that only they needed with them.

use super::{family, files, source, store};
use crate::database::Tx;
use crate::error::Result;
use crate::{storage, values};

/// Removes media that were deleted before a time, at most so many; returns which. Files in place
/// stay where they are; an object stays while a clone needs it.
pub async fn purge(tx: &mut Tx, before_ms: i64, most: usize) -> Result<Vec<i64>> {
    let gone = store::deleted_before(tx, before_ms, most).await?;
    for media in &gone {
        let source = source::find_last(tx, media.id).await?;
        let mut keys: Vec<String> = media.media_files.iter().flat_map(files::keys).collect();
        keys.extend(source.into_iter().flat_map(|source| {
            let of_source = source.object_key.into_iter();
            of_source.chain(source.made)
        }));
        let needed = family::needed(tx, media.id).await?;
        for key in keys.iter().filter(|key| !needed.contains(*key)) {
            storage::remove(tx, key).await?;
        }
        for table in ["media_source", "section_media", "state_media"] {
            let sql = format!("delete from {table} where media = $1");
            tx.execute(&sql, &values![media.id]).await?;
        }
        store::remove(tx, media.id).await?;
        family::leave(tx, media.id).await?;
    }
    Ok(gone.into_iter().map(|media| media.id).collect())
}
