//! A second look at a source: is its index right, and are pictures served as it says?

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

use transect_frame_client::{Flags, Frame, FrameIndex, Packet, Proof, WorkerError, stamp};

use crate::cache::Cache;
use crate::indexer::{self, Way, refuse_special, unreadable};
use crate::libav::Parameters;
use crate::session::shown;
use crate::source::Source;
use crate::verify::{self, Alone, luma};

/// Frames that are asked for as clients ask for them, spread over the source.
const SERVED: usize = 32;
const CACHE_BYTES: u64 = 64 << 20;

/// Reads and decodes a whole source, and compares what it shows with its index: every packet and frame, the order of pictures,
/// each picture where decoding can start when it does start there, some pictures as they are served, the check hashes.
/// `progress` is called often.
///
/// Errors: `Unreadable` if there is no index, or no source, to compare. What does not fit is in the answer.
pub fn prove(
    source: &Path,
    index_file: &Path,
    progress: &mut dyn FnMut(),
) -> Result<Proof, WorkerError> {
    refuse_special(source)?;
    let index =
        FrameIndex::read(index_file).map_err(|error| unreadable(index_file, &error.to_string()))?;
    let mut proof = counts(&index);
    let stamp = stamp(source).map_err(|error| unreadable(source, &error.to_string()))?;
    if stamp != index.stamp {
        proof.mismatch(|| "the file has changed since it was indexed".into());
    }
    let fresh = indexer::build(source, stamp, Way::Scan, progress)
        .map_err(|reason| unreadable(source, &reason))?;
    compare(&index, &fresh, &mut proof);
    if proof.mismatch_count == 0 {
        look(source, index_file, &index, &mut proof, progress)
            .map_err(|reason| unreadable(source, &reason))?;
    }
    Ok(proof)
}

fn counts(index: &FrameIndex) -> Proof {
    let packets = |flag: Flags| {
        let with = index.packets();
        with.filter(|packet| packet.flags.contains(flag)).count() as u64
    };
    let shown = index.frame_count() as u64;
    let damaged = packets(Flags::DAMAGED);
    let synthetic = index.frames();
    let synthetic = synthetic.filter(|frame| frame.flags.contains(Flags::SYNTHETIC));
    Proof {
        fingerprint: index.fingerprint.clone(),
        container: index.container.clone(),
        codec: index.codec.clone(),
        packets: index.packet_count() as u64,
        frames: shown,
        key_frames: packets(Flags::KEY),
        unverified: index.unverified_count() as u64,
        hidden: (index.packet_count() as u64).saturating_sub(shown + damaged),
        damaged,
        synthetic: synthetic.count() as u64,
        ..Proof::default()
    }
}

/// Compares an index with one that was made just now.
fn compare(index: &FrameIndex, fresh: &FrameIndex, proof: &mut Proof) {
    for (what, indexed, found) in [
        ("packets", index.packet_count(), fresh.packet_count()),
        ("frames", index.frame_count(), fresh.frame_count()),
    ] {
        if indexed != found {
            proof.mismatch(|| format!("the index has {indexed} {what}, the file {found}"));
        }
    }
    for (at, (packet, fresh)) in index.packets().zip(fresh.packets()).enumerate() {
        let (listed, found) = (random_access(&packet), random_access(&fresh));
        let open = packet.flags.contains(Flags::UNVERIFIED);
        if listed && !found && !open || !alike(&packet, &fresh) {
            proof.mismatch(|| {
                format!(
                    "packet {at} is indexed {}",
                    difference(&told(&packet), &told(&fresh))
                )
            });
        }
        // Decoding then starts earlier than it would have to.
        proof.unlisted += u64::from(found && !listed);
    }
    let times = |frame: &Frame| (frame.pts, frame.duration, frame.packet);
    for (at, (frame, fresh)) in index.frames().zip(fresh.frames()).enumerate() {
        if times(&frame) != times(&fresh) {
            proof.mismatch(|| {
                format!(
                    "frame {at} is indexed {}",
                    difference(&shown_at(&frame), &shown_at(&fresh))
                )
            });
        }
    }
}

/// What a packet is, by the names that people know.
fn told(packet: &Packet) -> Vec<(&'static str, String)> {
    let frame = match packet.frame {
        Some(frame) => frame.to_string(),
        None => "none".into(),
    };
    let starts = match random_access(packet) {
        true => "yes",
        false => "no",
    };
    vec![
        ("byte position", packet.position.to_string()),
        ("size in bytes", packet.size.to_string()),
        ("decoding time in ticks", packet.dts.to_string()),
        ("presentation time in ticks", packet.pts.to_string()),
        ("frame", frame),
        ("decoding can start there", starts.into()),
        ("marks", packet.flags.0.to_string()),
    ]
}

/// What a frame is, by the names that people know.
fn shown_at(frame: &Frame) -> Vec<(&'static str, String)> {
    vec![
        ("presentation time in ticks", frame.pts.to_string()),
        ("duration in ticks", frame.duration.to_string()),
        ("packet", frame.packet.to_string()),
    ]
}

/// Where two descriptions differ: `with the size in bytes 10, and has 12`.
fn difference(indexed: &[(&'static str, String)], found: &[(&'static str, String)]) -> String {
    let differing = indexed
        .iter()
        .zip(found)
        .filter(|(one, other)| one != other);
    let differing: Vec<String> = differing
        .map(|((name, one), (_, other))| format!("with {name} {one}, and the file has {other}"))
        .collect();
    differing.join("; ")
}

fn random_access(packet: &Packet) -> bool {
    packet.flags.contains(Flags::KEY)
}

/// True if two packets differ at most in whether decoding can start with them.
fn alike(one: &Packet, other: &Packet) -> bool {
    let others = |packet: &Packet| packet.flags.0 & !(Flags::KEY.0 | Flags::UNVERIFIED.0);
    let flags = one.flags;
    others(one) == others(other) && *one == Packet { flags, ..*other }
}

/// Decodes everything from the beginning, then pictures from where decoding can start.
fn look(
    path: &Path,
    index_file: &Path,
    index: &FrameIndex,
    proof: &mut Proof,
    progress: &mut dyn FnMut(),
) -> Result<(), String> {
    let mut source = Source::open(0, path, index_file).map_err(|error| error.to_string())?;
    let mut reader = source.reader().map_err(|error| error.to_string())?;
    let parameters = Parameters::from_index(index).map_err(|error| error.to_string())?;
    let count = index.frame_count();
    let keys: Vec<usize> = index.key_frames().collect();
    let served: Vec<usize> = (0..count).step_by(count.div_ceil(SERVED).max(1)).collect();
    let wanted: HashSet<usize> = keys.iter().chain(&served).copied().collect();
    let mut hashes: HashMap<usize, String> = HashMap::new();
    let mut see = |picture: crate::libav::Frame| {
        let frame = shown(&picture, index).map(|(_, frame)| frame);
        if let Some(frame) = frame.filter(|frame| wanted.contains(frame)) {
            hashes.extend(luma(&picture).map(|luma| (frame, luma)));
        }
    };
    let all = 0..index.packet_count();
    let order = verify::decode(&mut reader, &parameters, all, &mut see, progress)?;
    compare_order(index, &order, proof);
    let mut alone = Alone::open(&parameters)?;
    let mut digest = blake3::Hasher::new();
    for &frame in &keys {
        progress();
        let expected = hashes.get(&frame);
        let found = alone.picture(&mut reader, index, frame)?;
        let found = found.as_ref().and_then(luma);
        if expected.is_some() && found.as_ref() == expected {
            proof.random_access += 1;
        } else if !index.frame(frame).flags.contains(Flags::UNVERIFIED) {
            proof.mismatch(|| format!("frame {frame} looks different when decoding begins there"));
        }
        digest.update(expected.map_or(&[][..], |hash| hash.as_bytes()));
    }
    proof.digest = digest.finalize().to_hex().to_string();
    for check in &index.checks {
        if hashes.get(&(check.frame as usize)) == Some(&check.luma) {
            proof.hashes += 1;
        } else {
            proof.mismatch(|| format!("frame {} is not the picture of the index", check.frame));
        }
    }
    let pictures = Mutex::new(Cache::new(CACHE_BYTES));
    for &frame in served.iter().rev() {
        progress();
        let picture = source.frame(frame as u64, &pictures);
        let found = picture.ok().as_ref().and_then(luma);
        if found.is_none() || found.as_ref() != hashes.get(&frame) {
            proof.mismatch(|| format!("frame {frame} is served as another picture"));
        }
    }
    Ok(())
}

/// Compares the order in which a decoder shows pictures with the index.
fn compare_order(index: &FrameIndex, shown: &[usize], proof: &mut Proof) {
    let mut seen = HashSet::new();
    let hidden = |at: usize| index.packet_flags(at).contains(Flags::EDITED_OUT);
    let shown: Vec<usize> = shown
        .iter()
        .copied()
        .filter(|&at| at < index.packet_count() && !hidden(at) && seen.insert(at))
        .collect();
    for (frame, packet) in index.frames().enumerate() {
        if !seen.contains(&(packet.packet as usize)) {
            proof.mismatch(|| format!("frame {frame} does not decode"));
        }
    }
    let mut due = 0;
    for at in shown {
        match index.packet(at).frame.map(|frame| frame as usize) {
            Some(frame) if frame < due => {
                proof.mismatch(|| format!("frame {frame} is shown after frame {}", due - 1));
            }
            Some(frame) => due = frame + 1,
            None => proof.mismatch(|| format!("packet {at} is shown, and has no frame")),
        }
    }
}
