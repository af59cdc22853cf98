//! What a project adds up to: number, bytes and seconds of its media.

use serde::Deserialize;

use crate::database::Tx;
use crate::error::Result;
use crate::values;

/// Sums over the media of a project.
#[derive(Debug, Default, PartialEq)]
pub struct Statistics {
    pub num_files: i64,
    pub size_bytes: i64,
    pub duration_secs: f64,
}

/// Adds up the media of a project, one row at a time.
pub async fn of(tx: &mut Tx, project: i64) -> Result<Statistics> {
    let mut sum = Statistics::default();
    tx.each(
        "select num_frames, fps, media_files from media where project = $1 and not deleted",
        &values![project],
        |mut row| {
            let (frames, rate_hz): (Option<i64>, Option<f64>) = (row.take()?, row.take()?);
            sum.num_files += 1;
            if let (Some(frames), Some(rate_hz)) = (frames, rate_hz)
                && rate_hz > 0.0
            {
                sum.duration_secs += frames as f64 / rate_hz;
            }
            if let Some(files) = row.take::<Option<String>>()? {
                sum.size_bytes += size_bytes(&files);
            }
            Ok(())
        },
    )
    .await?;
    Ok(sum)
}

/// The parts of `media_files` that say how large they are.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Files {
    archival: Option<Vec<Rendition>>,
    streaming: Option<Vec<Rendition>>,
    audio: Option<Vec<Rendition>>,
    image: Option<Vec<Rendition>>,
    thumbnail: Option<Vec<Rendition>>,
    thumbnail_gif: Option<Vec<Rendition>>,
    attachment: Option<Vec<Rendition>>,
}

#[derive(Deserialize)]
struct Rendition {
    size: Option<i64>,
}

fn size_bytes(media_files: &str) -> i64 {
    let files: Files = serde_json::from_str(media_files).unwrap_or_default();
    [
        files.archival,
        files.streaming,
        files.audio,
        files.image,
        files.thumbnail,
        files.thumbnail_gif,
        files.attachment,
    ]
    .into_iter()
    .flatten()
    .flatten()
    .filter_map(|rendition| rendition.size)
    .sum()
}

#[cfg(test)]
mod tests {
    use super::size_bytes;

    #[test]
    fn sizes_of_all_renditions_add_up() {
        let cases = [
            ("{}", 0),
            (r#"{"ids": [1, 2], "layout": [1, 2]}"#, 0),
            (
                r#"{"streaming": [{"path": "a", "size": 5}, {"path": "b"}], "audio": null}"#,
                5,
            ),
            (
                r#"{"archival": [{"size": 7}], "thumbnail": [{"size": 1, "resolution": [1, 2]}]}"#,
                8,
            ),
        ];
        for (files, bytes) in cases {
            assert_eq!(size_bytes(files), bytes, "{files}");
        }
    }
}
