//! `transect doctor`.

use transect::frames::Proof;
use transect::station::{self, Command, Level};

use crate::place::Place;
use crate::{FAILED, print};

/// Examines the place and prints the findings; the exit code is 1 if something does not work.
pub async fn perform(place: &Place, json: bool, repair: bool, scrub: bool) -> anyhow::Result<u8> {
    let settings = place.settings(&[]);
    let findings =
        station::examine(&place.data, place.file.as_deref(), settings, repair, scrub).await;
    for finding in &findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Failed => "FAILED",
        };
        if json {
            print(&serde_json::to_string(finding)?)?;
        } else {
            print(&format!(
                "{level:<8} {:<10} {}",
                finding.check, finding.message
            ))?;
        }
    }
    let broken = findings
        .iter()
        .any(|finding| finding.level == Level::Failed);
    Ok(if broken { FAILED } else { 0 })
}

/// Has the frames of a media proven and prints the proof; the exit code is 1 if something does not fit.
pub async fn frames(place: &Place, json: bool, media: i64) -> anyhow::Result<u8> {
    let command = Command::CheckFrames { media };
    let answer = station::perform(&place.data, place.settings(&[])?, command, |_| {}).await?;
    let proof: Proof = serde_json::from_value(answer.clone())?;
    if json {
        print(&answer.to_string())?;
    } else {
        print(&in_words(&proof))?;
    }
    Ok(if proof.mismatch_count > 0 { FAILED } else { 0 })
}

fn in_words(proof: &Proof) -> String {
    let mut lines = vec![
        format!(
            "{} in {}, fingerprint {}",
            proof.codec, proof.container, proof.fingerprint
        ),
        format!(
            "{} packets, {} frames, {} where decoding can start, {} hidden, {} damaged, {} with made-up times",
            proof.packets,
            proof.frames,
            proof.key_frames,
            proof.hidden,
            proof.damaged,
            proof.synthetic
        ),
        match proof.unverified {
            0 => format!("all {} key frames were looked at", proof.key_frames),
            left => format!(
                "{} of {} key frames were looked at; for {left} the file's table is trusted until they are used, or the station is idle",
                proof.key_frames.saturating_sub(left),
                proof.key_frames
            ),
        },
        format!(
            "{} pictures are the same when decoding begins with them, {} hashes of the index were found again",
            proof.random_access, proof.hashes
        ),
        format!("digest of these pictures {}", proof.digest),
    ];
    let told = proof
        .mismatches
        .iter()
        .map(|what| format!("MISMATCH {what}"));
    lines.extend(told);
    let more = proof.mismatch_count - proof.mismatches.len() as u64;
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.push(match proof.mismatch_count {
        0 => "every frame is what its number says".into(),
        count => format!("{count} mismatches: frame numbers of this media may mean other pictures"),
    });
    lines.join("\n")
}
