//! From a file to its frame index.

use std::path::Path;

use std::collections::HashMap;

use transect_frame_client::{Change, Fraction, FrameIndex, Kind, Tables, WorkerError};

use crate::bitstream;
use crate::libav::{self, Input, Packet, Parameters};
use crate::order::{self, Made};
use crate::reader::{self, Place, Places, Reader};
use crate::scan::{Scan, Scanned, Turn, scan};
use crate::supply::{self, MediaFile};
use crate::tables;
use crate::turn::Orientation;
use crate::verify::{self, Look, Shown};

/// Makes sure that `index_file` holds the index of `source`: keeps the one that is there if its stamp fits, else scans the
/// file. `progress` is called often.
///
/// Errors: `Unreadable`, `Io`.
pub fn ensure(
    source: &Path,
    index_file: &Path,
    progress: &mut dyn FnMut(),
) -> Result<(), WorkerError> {
    if !supply::is_partial(source) {
        refuse_special(source)?;
    }
    let stamp = MediaFile::open(source).and_then(|file| file.stamp());
    let stamp = stamp.map_err(|error| unreadable(source, &error.to_string()))?;
    // An index of another version, or a damaged one, is made again.
    if FrameIndex::read(index_file).is_ok_and(|index| index.stamp == stamp) {
        return Ok(());
    }
    let index = build(source, stamp, Way::Tables, progress)
        .map_err(|reason| unreadable(source, &reason))?;
    // What looked like the end of the file may have been the end of what came of it.
    supply::check()?;
    index.write(index_file).map_err(|error| WorkerError::Io {
        message: format!("{error}: {}", index_file.display()),
    })
}

/// Refuses what is no file: opening a pipe would wait for its other end.
///
/// Errors: `Unreadable`.
pub fn refuse_special(source: &Path) -> Result<(), WorkerError> {
    let regular = source
        .metadata()
        .map_err(|error| unreadable(source, &error.to_string()))?
        .is_file();
    if regular {
        Ok(())
    } else {
        Err(unreadable(source, "not a regular file"))
    }
}

/// An `Unreadable` that names the file last.
pub fn unreadable(source: &Path, reason: &str) -> WorkerError {
    WorkerError::unreadable(format!("{reason}: {}", source.display()))
}

/// How to find the packets of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the sample tables, where the file has them and leaves no doubt; else by a scan.
    Tables,
    /// By reading it from end to end.
    Scan,
}

/// Indexes a file; `stamp` is its stamp. The index does not depend on the way, but for random access points that are not
/// verified yet.
///
/// Errors: the reason why it is no source.
pub fn build(
    source: &Path,
    stamp: String,
    way: Way,
    progress: &mut dyn FnMut(),
) -> Result<FrameIndex, String> {
    let mut input = Input::open(source).map_err(|error| error.to_string())?;
    let kind = kind(&input);
    let told = match (way, kind) {
        (Way::Tables, Kind::Video) => {
            let file = MediaFile::open(source).map_err(|error| error.to_string())?;
            tables::packets(&file, &mut input, progress)
        }
        _ => None,
    };
    let way = told.as_ref().map_or(Way::Scan, |_| Way::Tables);
    let found = match told {
        Some(found) => found,
        None => {
            supply::check().map_err(|error| error.to_string())?;
            input = Input::open(source).map_err(|error| error.to_string())?;
            scan(source, &mut input, kind == Kind::Image, progress)
                .map_err(|error| error.to_string())?
        }
    };
    let (container, parameters) = (
        input.container(),
        input.parameters().map_err(|error| error.to_string())?,
    );
    let turns = found.turns.iter();
    let headers = turns.map(|turn| (turn.packet, turn.headers.clone()));
    let headers = reader::restated(parameters.extradata(), headers);
    let mut reader = Reader::open(source, &container, found.access, places(&found), headers)?;
    let timed = order::by_time(&container, parameters.intra_only(), &found.packets)
        .filter(|order| !order.is_empty());
    let by_time = match timed {
        Some(order) => verify::ends(&mut reader, &parameters, &found.packets, order, progress)?,
        None => None,
    };
    let shown = match by_time {
        Some(shown) => shown,
        None => verify::everything(&mut reader, &parameters, &found.packets, progress)?,
    };
    let Shown {
        order,
        damaged,
        picture,
    } = shown;
    let Some(picture) = picture.filter(|_| !order.is_empty()) else {
        return Err(format!(
            "none of its {} packets of {} decodes",
            found.packets.len(),
            parameters.codec()
        ));
    };
    let (time_base, stated_rate) = (input.time_base(), input.frame_rate());
    let Made {
        packets,
        frames,
        reorder,
    } = order::tables(
        &found.packets,
        &order,
        &damaged,
        order::tick(time_base, stated_rate),
    );
    let (first, last) = (frames[0], frames[frames.len() - 1]);
    let duration_secs = (last.pts + last.duration - first.pts) as f64 * time_base.as_f64();
    let mut decoder = parameters.setup();
    decoder.reorder = reorder.max(parameters.reorder().clamp(0, 255) as u8);
    let (codec_string, description) = bitstream::web_codec(
        &parameters.codec(),
        parameters.extradata(),
        decoder.level,
        picture.format().depth(),
        &found.first,
    );
    let orientation = match input.orientation() {
        Orientation::UPRIGHT => picture.orientation(),
        stated => stated,
    };
    let mut index = FrameIndex {
        provenance: provenance(way),
        fingerprint: fingerprint(&stamp, &found.packets),
        stamp,
        kind,
        container,
        codec: parameters.codec(),
        codec_string,
        description,
        time_base,
        start_pts: first.pts,
        frame_rate: (kind == Kind::Video)
            .then(|| rate(stated_rate, frames.len(), duration_secs))
            .flatten(),
        width: picture.width(),
        height: picture.height(),
        mirrored: orientation.mirrored,
        rotation_degrees: orientation.degrees,
        sample_aspect_ratio: input.sample_aspect_ratio(),
        pixel_format: picture.format().name(),
        bit_rate: parameters.bit_rate().or(input.bit_rate()),
        duration_secs: if kind == Kind::Image {
            0.0
        } else {
            duration_secs
        },
        has_audio: input.has_audio(),
        access: found.access,
        decoder,
        changes: Vec::new(),
        checks: Vec::new(),
        tables: Tables::new(&packets, &frames),
    };
    drop((packets, frames));
    index.changes = changes(&mut reader, &parameters, &index, &found.turns, progress)?;
    index.checks = verify::checks(&mut reader, &parameters, &index, progress)?;
    Ok(index)
}

/// Decodes what follows each place where the stream may be coded in another way, and says where it is.
///
/// Errors: the file cannot be read.
fn changes(
    reader: &mut Reader,
    parameters: &Parameters,
    index: &FrameIndex,
    turns: &[Turn],
    progress: &mut dyn FnMut(),
) -> Result<Vec<Change>, String> {
    let mut changes: Vec<Change> = Vec::new();
    let mut looks: HashMap<(&[u8], &[u8]), Look> = HashMap::new();
    let mut packet = Packet::new().map_err(|error| error.to_string())?;
    let ends = turns.iter().skip(1).map(|turn| turn.packet);
    let ends = ends.chain([index.packet_count()]);
    for (turn, end) in turns.iter().zip(ends) {
        let key = (turn.headers.as_slice(), turn.sets.as_slice());
        let known = looks.get(&key).copied();
        let look = match known {
            Some(look) => Some(look),
            None => verify::look(reader, parameters, turn.packet..end, progress)?,
        };
        // What does not decode changes nothing.
        let Some(look) = look else { continue };
        looks.insert(key, look);
        let Look {
            width,
            height,
            depth,
        } = look;
        reader.read(turn.packet, &mut packet)?;
        let own = bitstream::own_record(&index.codec, &turn.headers, packet.bytes());
        let headers = own.as_ref().unwrap_or(&turn.headers);
        let (codec, level) = (&index.codec, index.decoder.level);
        let (codec_string, description) =
            bitstream::web_codec(codec, headers, level, depth, packet.bytes());
        let change = Change {
            packet: turn.packet as u32,
            width,
            height,
            codec_string,
            description,
            extradata: turn.headers.clone(),
        };
        let before = changes.last();
        let same = before.map_or_else(
            || {
                (index.width, index.height) == (width, height)
                    && index.codec_string == change.codec_string
                    && index.description == change.description
                    && index.decoder.extradata == change.extradata
            },
            |before| {
                *before
                    == Change {
                        packet: before.packet,
                        ..change.clone()
                    }
            },
        );
        if !same {
            changes.push(change);
        }
    }
    Ok(changes)
}

/// Pictures come alone in their file, or in a brand of ISO media made for them. A GIF counts as a picture.
pub fn kind(input: &Input) -> Kind {
    let (container, brand) = (input.container(), input.brand());
    let still = container.ends_with("_pipe") || container == "gif" || container == "apng";
    if still || matches!(brand.as_str(), "avif" | "avis" | "heic" | "mif1") {
        Kind::Image
    } else {
        Kind::Video
    }
}

fn places(found: &Scan) -> Places {
    let place = |packet: &Scanned| Place {
        position: packet.position.unwrap_or(0),
        size: packet.size,
        dts: packet.dts.unwrap_or(0),
        key: packet.flags.contains(transect_frame_client::Flags::KEY),
    };
    Places::Scanned(found.packets.iter().map(place).collect())
}

/// The stated average rate, unless the frames contradict it by more than a hundredth.
fn rate(stated: Option<Fraction>, frames: usize, duration_secs: f64) -> Option<Fraction> {
    let counted = frames as f64 / duration_secs;
    if let Some(stated) = stated.filter(|stated| (stated.as_f64() / counted - 1.0).abs() < 0.01) {
        return Some(stated);
    }
    let milli = (counted * 1000.0).round();
    (milli.is_finite() && milli >= 1.0).then_some(Fraction {
        num: milli as i64,
        den: 1000,
    })
}

/// Who made an index, with which libraries, and from what.
fn provenance(way: Way) -> String {
    let way = match way {
        Way::Tables => "sample tables",
        Way::Scan => "a scan",
    };
    let (program, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    format!("{program} {version} from {way}, {}", libav::versions())
}

fn fingerprint(stamp: &str, packets: &[Scanned]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(stamp.as_bytes());
    for packet in packets {
        hasher.update(&packet.position.unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(&packet.size.to_le_bytes());
        hasher.update(&packet.pts.unwrap_or(i64::MIN).to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
