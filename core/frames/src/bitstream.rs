//! What the coded bytes themselves say, where containers lie: where decoding may start, and how browsers name the codec.
//!
//! Sources: ITU-T H.264 (7.3, D.1.8), ITU-T H.265 (7.3, 7.4.2.2), the VP9 and AV1 bitstream specifications, ISO/IEC
//! 14496-2 (6.2.5) and 14496-15 (avcC, hvcC), RFC 6381 and the WebCodecs codec registry.

/// Bits of a byte string, first bit highest; zeros beyond the end.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u32::from(bit)
        })
    }

    /// An unsigned Exp-Golomb number (H.264, 9.1).
    fn golomb(&mut self) -> u32 {
        let zeros = (0..32)
            .take_while(|_| self.at < self.bytes.len() * 8 && self.take(1) == 0)
            .count() as u32;
        ((1_u64 << zeros) - 1 + u64::from(self.take(zeros))) as u32
    }
}

/// Returns whether decoding may start with this packet, or none where only the container can tell.
pub fn random_access(codec: &str, headers: &[u8], packet: &[u8]) -> Option<bool> {
    match codec {
        "h264" => {
            Some(units(headers, packet, 4).any(
                |unit| match unit.first().map_or(0, |byte| byte & 31) {
                    5 => true,
                    6 => recovers_at_once(&unit[1..]),
                    _ => false,
                },
            ))
        }
        "hevc" => Some(units(headers, packet, 21).any(|unit| {
            unit.first()
                .is_some_and(|byte| (16..=21).contains(&(byte >> 1 & 63)))
        })),
        "vp8" => Some(packet.first().is_some_and(|byte| byte & 1 == 0)),
        "vp9" => Some(vp9_key(packet)),
        "av1" => av1_key(packet),
        "mpeg4" => {
            start_code(packet, 0xb6).map(|rest| rest.first().is_some_and(|byte| byte >> 6 == 0))
        }
        "mpeg1video" | "mpeg2video" => {
            start_code(packet, 0).map(|rest| rest.get(1).is_some_and(|byte| byte >> 3 & 7 == 1))
        }
        _ => None,
    }
}

/// Returns what a packet where decoding may start says of how it and those behind it are coded, to be compared with what others
/// said: sequence parameter sets, or the size of the picture. None if it says nothing, or in a way that is not looked at.
pub fn parameter_sets(codec: &str, headers: &[u8], packet: &[u8]) -> Option<Vec<u8>> {
    let found = match codec {
        "h264" => sets(units(headers, packet, 4), |byte| byte & 31 == 7),
        "hevc" => sets(units(headers, packet, 21), |byte| byte >> 1 & 63 == 33),
        "mpeg1video" | "mpeg2video" => start_code(packet, 0xb3)?.get(..3)?.to_vec(),
        // Behind the tag and the start code: 14 bits each of width and height, and how to scale them.
        "vp8" => packet.get(6..10)?.to_vec(),
        "vp9" => vp9_size(packet)?,
        "mjpeg" => jpeg_size(packet)?,
        _ => return None,
    };
    (!found.is_empty()).then_some(found)
}

/// The same, as the headers of the container say it; empty if they do not.
pub fn stated_sets(codec: &str, headers: &[u8]) -> Vec<u8> {
    let units = |wanted: fn(u8) -> bool| {
        let record = headers.first() == Some(&1);
        let listed = if record {
            listed(codec, headers)
        } else {
            units(&[], headers, 4).collect()
        };
        sets(listed.into_iter(), wanted)
    };
    match codec {
        "h264" => units(|byte| byte & 31 == 7),
        "hevc" => units(|byte| byte >> 1 & 63 == 33),
        _ => Vec::new(),
    }
}

/// The units of a kind, one behind the other, without the zeros that may follow each.
fn sets<'a>(units: impl Iterator<Item = &'a [u8]>, wanted: fn(u8) -> bool) -> Vec<u8> {
    let units = units.filter(|unit| unit.first().is_some_and(|&byte| wanted(byte)));
    let mut sets = Vec::new();
    for unit in units {
        let end = unit
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        sets.extend_from_slice(&unit[..end]);
    }
    sets
}

/// The units of a configuration record (ISO/IEC 14496-15, 5.3.3 and 8.3.3), as far as it is whole.
fn listed<'a>(codec: &str, record: &'a [u8]) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    let unit = |rest: &mut &'a [u8]| {
        let (size, after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        *rest = after;
        Some(unit)
    };
    if codec == "h264" {
        let mut rest = record.get(6..).unwrap_or_default();
        let count = record.get(5).map_or(0, |byte| byte & 31);
        found.extend((0..count).map_while(|_| unit(&mut rest)));
        return found;
    }
    let mut rest = record.get(23..).unwrap_or_default();
    for _ in 0..record.get(22).copied().unwrap_or(0) {
        let Some(([_, high, low], after)) = rest.split_first_chunk::<3>() else {
            break;
        };
        rest = after;
        let count = u16::from_be_bytes([*high, *low]);
        found.extend((0..count).map_while(|_| unit(&mut rest)));
    }
    found
}

/// The configuration record that belongs to the parameter sets within an H.264 packet, where the container's is one of others;
/// none where there is nothing to make it of.
pub fn own_record(codec: &str, headers: &[u8], packet: &[u8]) -> Option<Vec<u8>> {
    if codec != "h264" || headers.first() != Some(&1) {
        return None;
    }
    let of_kind = |kind: u8| {
        let mut units = units(headers, packet, 4);
        units.find(|unit| unit.first().is_some_and(|byte| byte & 31 == kind))
    };
    let (sequence, picture) = (of_kind(7)?, of_kind(8)?);
    let mut record = vec![1];
    record.extend_from_slice(sequence.get(1..4)?);
    record.extend([headers[4], 0xe1]);
    record.extend(u16::try_from(sequence.len()).ok()?.to_be_bytes());
    record.extend_from_slice(sequence);
    record.push(1);
    record.extend(u16::try_from(picture.len()).ok()?.to_be_bytes());
    record.extend_from_slice(picture);
    Some(record)
}

/// Splits a packet into NAL units: length-prefixed if the headers are a configuration record, else by start codes.
/// `length_at` is where the record holds the size of the prefix.
fn units<'a>(
    headers: &[u8],
    packet: &'a [u8],
    length_at: usize,
) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    if headers.first() == Some(&1) && headers.len() > length_at {
        let prefix = usize::from(headers[length_at] & 3) + 1;
        let mut rest = packet;
        return Box::new(std::iter::from_fn(move || {
            let (length, after) = rest.split_at_checked(prefix)?;
            let length = length
                .iter()
                .fold(0_usize, |value, &byte| value << 8 | usize::from(byte));
            let (unit, after) = after.split_at(length.min(after.len()));
            rest = after;
            Some(unit)
        }));
    }
    let starts: Vec<usize> = packet
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == [0, 0, 1])
        .map(|(at, _)| at + 3)
        .collect();
    Box::new((0..starts.len()).map(move |at| {
        // A unit ends where the next one begins: what follows is nothing of its own.
        let end = starts.get(at + 1).map_or(packet.len(), |next| next - 3);
        &packet[starts[at]..end]
    }))
}

/// A unit's bytes without those that keep start codes out of it (H.264, 7.4.1).
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let mut keep = |byte: &u8| {
        let escapes = *byte == 3 && zeros >= 2;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !escapes
    };
    unit.iter().copied().filter(&mut keep).collect()
}

/// Reads supplemental information (H.264, 7.3.2.3): a recovery point with nothing to wait for.
fn recovers_at_once(unit: &[u8]) -> bool {
    let plain = unescaped(unit);
    let mut message = plain.as_slice();
    let number = |message: &mut &[u8]| {
        let mut value = 0;
        while let Some((&byte, rest)) = message.split_first() {
            *message = rest;
            value += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
        value
    };
    while message.len() > 2 {
        let kind = number(&mut message);
        let size = number(&mut message);
        if kind == 6 {
            return Bits {
                bytes: message,
                at: 0,
            }
            .golomb()
                == 0;
        }
        message = message.get(size..).unwrap_or_default();
    }
    false
}

fn start_code(packet: &[u8], code: u8) -> Option<&[u8]> {
    let at = packet
        .windows(4)
        .position(|window| window == [0, 0, 1, code])?;
    Some(&packet[at + 4..])
}

fn vp9_key(packet: &[u8]) -> bool {
    let mut bits = Bits {
        bytes: packet,
        at: 0,
    };
    let marker = bits.take(2);
    let profile = bits.take(1) | bits.take(1) << 1;
    if profile == 3 {
        bits.take(1);
    }
    let (shows_existing, inter) = (bits.take(1), bits.take(1));
    marker == 2 && shows_existing == 0 && inter == 0
}

/// Width and height, each less one, of a VP9 key frame (6.2, "uncompressed header").
fn vp9_size(packet: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits {
        bytes: packet,
        at: 2,
    };
    let profile = bits.take(1) | bits.take(1) << 1;
    if profile == 3 {
        bits.take(1);
    }
    // What was shown before, the kind of frame, whether it is shown and how errors are met, then the sync code.
    bits.take(4);
    if bits.take(24) != 0x49_83_42 {
        return None;
    }
    if profile >= 2 {
        bits.take(1);
    }
    let colour_space = bits.take(3);
    let odd = profile & 1 == 1;
    match (colour_space, odd) {
        // sRGB
        (7, true) => bits.take(1),
        (7, false) => 0,
        (_, true) => bits.take(4),
        (_, false) => bits.take(1),
    };
    let size = [bits.take(16), bits.take(16)];
    Some(size.iter().flat_map(|side| side.to_be_bytes()).collect())
}

/// Height and width as the frame header of a JPEG has them (ITU-T T.81, B.2.2).
fn jpeg_size(packet: &[u8]) -> Option<Vec<u8>> {
    let mut rest = packet.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let ([0xff, marker, high, low], after) = rest.split_first_chunk::<4>()? else {
            return None;
        };
        // SOF0 to SOF15 without DHT, JPG and DAC.
        if (0xc0..=0xcf).contains(marker) && ![0xc4, 0xc8, 0xcc].contains(marker) {
            return Some(after.get(1..5)?.to_vec());
        }
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        rest = after.get(size.checked_sub(2)?..)?;
    }
}

/// A temporal unit with a sequence header whose first frame is a shown key frame (AV1, 7.6.2).
fn av1_key(mut unit: &[u8]) -> Option<bool> {
    let (mut sequence, mut reduced) = (false, false);
    while let Some((&header, mut rest)) = unit.split_first() {
        if header & 4 != 0 {
            rest = rest.get(1..)?;
        }
        let mut size = rest.len();
        if header & 2 != 0 {
            let length = rest.iter().take(8).position(|byte| byte & 0x80 == 0)? + 1;
            size = (0..length).fold(0, |value, at| {
                value | usize::from(rest[at] & 0x7f) << (7 * at)
            });
            rest = &rest[length..];
        }
        // Of a long unit only the beginning may be there.
        let (payload, after) = rest.split_at(size.min(rest.len()));
        match header >> 3 & 15 {
            1 => {
                sequence = true;
                reduced = payload.first()? >> 3 & 1 == 1;
            }
            3 | 6 if reduced => return Some(sequence),
            // show_existing_frame 0, frame_type 0 (key), show_frame 1.
            3 | 6 => return Some(sequence && payload.first()? >> 4 == 1),
            _ => {}
        }
        unit = after;
    }
    Some(false)
}

/// Returns the codec as WebCodecs spells it, and the configuration record it needs, or none if browsers do not decode it.
pub fn web_codec(
    codec: &str,
    headers: &[u8],
    level: i32,
    depth: i32,
    packet: &[u8],
) -> (Option<String>, Option<Vec<u8>>) {
    let record = (headers.first() == Some(&1)).then(|| headers.to_vec());
    match codec {
        "h264" => {
            let profile = match &record {
                Some(record) => record.get(1..4).map(<[u8]>::to_vec),
                None => [packet, headers].iter().find_map(|bytes| {
                    let set = units(&[], bytes, 4)
                        .find(|unit| unit.first().is_some_and(|byte| byte & 31 == 7))?;
                    set.get(1..4).map(<[u8]>::to_vec)
                }),
            };
            (
                profile
                    .map(|bytes| format!("avc1.{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2])),
                record,
            )
        }
        "hevc" => {
            let profile = match &record {
                Some(record) => record.get(1..13).map(<[u8]>::to_vec),
                None => [packet, headers].iter().find_map(|bytes| {
                    let set = units(&[], bytes, 21)
                        .find(|unit| unit.first().is_some_and(|byte| byte >> 1 & 63 == 33))?;
                    without_escapes(set).get(3..15).map(<[u8]>::to_vec)
                }),
            };
            let name = if record.is_some() { "hvc1" } else { "hev1" };
            (profile.map(|bytes| hevc_string(name, &bytes)), record)
        }
        "vp8" => (Some("vp8".into()), None),
        "vp9" => {
            let mut bits = Bits {
                bytes: packet,
                at: 2,
            };
            let profile = bits.take(1) | bits.take(1) << 1;
            let level = if level > 0 { level } else { 41 };
            (
                Some(format!("vp09.{profile:02}.{level:02}.{depth:02}")),
                None,
            )
        }
        "av1" => (av1_string(headers), None),
        _ => (None, None),
    }
}

/// Takes out the bytes that keep start codes from arising (H.265, 7.4.2).
fn without_escapes(unit: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

/// ISO/IEC 14496-15, annex E: profile space and number, compatibility backwards, tier and level, constraints.
fn hevc_string(name: &str, profile: &[u8]) -> String {
    let space = ["", "A", "B", "C"][usize::from(profile[0] >> 6)];
    let compatibility =
        u32::from_be_bytes([profile[1], profile[2], profile[3], profile[4]]).reverse_bits();
    let tier = if profile[0] >> 5 & 1 == 1 { 'H' } else { 'L' };
    let mut text = format!(
        "{name}.{space}{}.{compatibility:X}.{tier}{}",
        profile[0] & 31,
        profile[11]
    );
    let used = profile[5..11]
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    for byte in &profile[5..5 + used] {
        text.push_str(&format!(".{byte:X}"));
    }
    text
}

/// AV1 in ISO base media, "av1C": profile, level, tier and depth.
fn av1_string(record: &[u8]) -> Option<String> {
    let (&first, &second) = (record.get(1)?, record.get(2)?);
    if record[0] != 0x81 {
        return None;
    }
    let tier = if second & 0x80 != 0 { 'H' } else { 'M' };
    let depth = match (second & 0x40 != 0, second & 0x20 != 0) {
        (true, true) => 12,
        (true, false) => 10,
        _ => 8,
    };
    Some(format!(
        "av01.{}.{:02}{tier}.{depth:02}",
        first >> 5,
        first & 31
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_random_access_from_bytes() {
        let record = [1, 0x64, 0, 40, 0xff];
        type Case<'a> = (&'a str, &'a [u8], &'a [u8], Option<bool>);
        let cases: [Case; 11] = [
            ("h264", &record, &[0, 0, 0, 2, 0x65, 0x88], Some(true)),
            ("h264", &record, &[0, 0, 0, 2, 0x41, 0x9a], Some(false)),
            (
                "h264",
                &record,
                &[0, 0, 0, 4, 6, 6, 1, 0xc4, 0, 0, 0, 1, 0x41],
                Some(true),
            ),
            (
                "h264",
                &[],
                &[0, 0, 0, 1, 6, 6, 1, 0x44, 0, 0, 1, 0x41],
                Some(false),
            ),
            // What follows the times of a picture is coded picture, whatever it looks like.
            (
                "h264",
                &[],
                &[
                    0, 0, 1, 6, 1, 1, 0x12, 0x80, 0, 0, 1, 0x41, 6, 1, 0xc4, 0, 0,
                ],
                Some(false),
            ),
            // Behind four bytes of a message, one of which is there in five.
            (
                "h264",
                &[],
                &[0, 0, 1, 6, 1, 4, 0, 0, 3, 1, 0, 6, 1, 0xc4, 0x80],
                Some(true),
            ),
            ("hevc", &[], &[0, 0, 1, 21 << 1, 1], Some(true)),
            ("hevc", &[], &[0, 0, 1, 8 << 1, 1], Some(false)),
            ("vp9", &[], &[0x82], Some(true)),
            ("mpeg4", &[], &[0, 0, 1, 0xb6, 0x50], Some(false)),
            ("prores", &[], &[0], None),
        ];
        for (codec, headers, packet, expected) in cases {
            assert_eq!(
                random_access(codec, headers, packet),
                expected,
                "{codec} {packet:x?}"
            );
        }
    }

    #[test]
    fn spells_codecs_for_browsers() {
        let avc = web_codec("h264", &[1, 0x64, 0, 0x28, 0xff], 0, 8, &[]);
        assert_eq!(
            avc,
            (
                Some("avc1.640028".into()),
                Some(vec![1, 0x64, 0, 0x28, 0xff])
            )
        );
        let hevc = [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        assert_eq!(
            web_codec("hevc", &hevc, 0, 8, &[]).0.unwrap(),
            "hvc1.1.6.L93.90"
        );
        assert_eq!(
            web_codec("av1", &[0x81, 0x08, 0x0c, 0], 0, 8, &[])
                .0
                .unwrap(),
            "av01.0.08M.08"
        );
        assert_eq!(
            web_codec("vp9", &[], -99, 10, &[0x92]).0.unwrap(),
            "vp09.02.41.10"
        );
        assert_eq!(web_codec("prores", &[], 0, 10, &[]), (None, None));
    }
}
