//! A second reading of MP4 files, that shares nothing with the product's.

use std::path::Path;

/// A box: name, offset in the file, size, content.
#[derive(Debug, Clone)]
pub struct Part {
    pub name: String,
    pub offset: u64,
    pub size: u64,
    pub content: Vec<u8>,
}

/// Reads the boxes of a byte string, which must be whole.
pub fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut at = 0;
    let mut parts = Vec::new();
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert!(
            size >= 8 && at + size <= bytes.len(),
            "a box of {size} at {at}"
        );
        parts.push(Part {
            name: String::from_utf8(bytes[at + 4..at + 8].to_vec()).unwrap(),
            offset: at as u64,
            size: size as u64,
            content: bytes[at + 8..at + size].to_vec(),
        });
        at += size;
    }
    parts
}

pub fn file(path: &Path) -> Vec<Part> {
    parts(&std::fs::read(path).unwrap())
}

/// Counts the boxes of a name in a top-level box.
pub fn children(path: &Path, parent: &str, name: &str) -> usize {
    let content = child(&std::fs::read(path).unwrap(), parent);
    let found = parts(&content).into_iter().filter(|part| part.name == name);
    found.count()
}

fn child(content: &[u8], name: &str) -> Vec<u8> {
    let found = parts(content).into_iter().find(|part| part.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).content
}

/// What a `moof` says: time of its first picture, pictures, and the sum of their durations, in ticks.
#[derive(Debug, PartialEq, Eq)]
pub struct Moof {
    pub number: u32,
    pub time: u64,
    pub samples: u64,
    pub duration: u64,
}

pub fn moof(content: &[u8]) -> Moof {
    let number =
        |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let head = child(content, "mfhd");
    let track = child(content, "traf");
    let (defaults, start, run) = (
        child(&track, "tfhd"),
        child(&track, "tfdt"),
        child(&track, "trun"),
    );
    assert_eq!(start[0], 1);
    // tfhd: flags, track, then base offset, description, duration, size, flags, as far as they are there.
    let flags = number(&defaults, 0) & 0xff_ffff;
    assert_eq!(flags & 0x2_0001, 0x2_0000, "offsets count from the moof");
    let default_duration = (flags & 8 != 0).then(|| {
        let before = if flags & 2 != 0 { 4 } else { 0 };
        number(&defaults, 8 + before)
    });
    // trun: flags, count, data offset, first flags, then per sample duration, size, flags, offset.
    let flags = number(&run, 0) & 0xff_ffff;
    let samples = number(&run, 4);
    let mut at = 8 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
    let mut duration = 0;
    for _ in 0..samples {
        duration += u64::from(if flags & 0x100 != 0 {
            number(&run, at)
        } else {
            default_duration.unwrap()
        });
        at += 4 * (flags >> 8 & 15).count_ones() as usize;
    }
    Moof {
        number: number(&head, 4),
        time: u64::from(number(&start, 4)) << 32 | u64::from(number(&start, 8)),
        samples: samples.into(),
        duration,
    }
}
