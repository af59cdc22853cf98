//! What the `meta` box of a HEIF file says: which items there are, where their payloads are, and how they look.

use crate::boxes::children;
use crate::heif::Result;
use crate::libav::{Colour, Matrix};
use crate::turn::Orientation;

/// Cameras cut their pictures into some dozens.
const MOST_TILES: usize = 4096;

/// A picture, or what one is made of.
pub struct Item<'a> {
    pub id: u32,
    pub kind: [u8; 4],
    /// From the file's beginning, or from that of the small payloads.
    pub extents: Vec<(usize, usize)>,
    pub in_data: bool,
    /// Items that a grid is made of, in order.
    pub tiles: Vec<u32>,
    /// Decoder configuration record.
    pub record: &'a [u8],
    pub colour: Option<Colour>,
    pub orientation: Orientation,
}

/// Reads numbers, highest byte first.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn number(&mut self, bytes: usize) -> Result<u32> {
        u32::try_from(self.long(bytes)?).map_err(|_| "a number is too large".into())
    }

    pub fn long(&mut self, bytes: usize) -> Result<u64> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or("its description ends early")?;
        self.0 = rest;
        Ok(taken
            .iter()
            .fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// The version of a box; its flags follow.
    pub fn version(&mut self) -> Result<u32> {
        Ok(self.number(4)? >> 24)
    }
}

/// Reads `iinf`: which items there are.
pub fn kinds(content: &[u8]) -> Result<Vec<Item<'_>>> {
    let mut head = Reader(content);
    let count_bytes = if head.version()? == 0 { 2 } else { 4 };
    head.number(count_bytes)?;
    let mut items = Vec::new();
    for (_, entry) in children(head.0).filter(|(name, _)| name == b"infe") {
        let mut entry = Reader(entry);
        let version = entry.version()?;
        if version < 2 {
            continue;
        }
        let id = entry.number(if version == 2 { 2 } else { 4 })?;
        entry.number(2)?;
        items.push(Item {
            id,
            kind: entry.number(4)?.to_be_bytes(),
            extents: Vec::new(),
            in_data: false,
            tiles: Vec::new(),
            record: &[],
            colour: None,
            orientation: Orientation::UPRIGHT,
        });
    }
    Ok(items)
}

/// Reads `iloc`: where the payloads are.
pub fn places(content: &[u8], items: &mut [Item]) -> Result<()> {
    let mut reader = Reader(content);
    let version = reader.version()?;
    let sizes = reader.number(2)?;
    let size = |shift: u32| (sizes >> shift & 15) as usize;
    let (offset_bytes, length_bytes, base_bytes) = (size(12), size(8), size(4));
    let index_bytes = if version == 0 { 0 } else { size(0) };
    let id_bytes = if version < 2 { 2 } else { 4 };
    for _ in 0..reader.number(id_bytes)? {
        let id = reader.number(id_bytes)?;
        let method = if version == 0 {
            0
        } else {
            reader.number(2)? & 15
        };
        reader.number(2)?;
        let base = reader.long(base_bytes)?;
        let mut extents = Vec::new();
        for _ in 0..reader.number(2)? {
            reader.long(index_bytes)?;
            let start = base.saturating_add(reader.long(offset_bytes)?);
            let length = reader.long(length_bytes)?;
            let place = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
            extents.push((place(start), place(length)));
        }
        if let Some(item) = items.iter_mut().find(|item| item.id == id) {
            (item.in_data, item.extents) = (method == 1, extents);
        }
    }
    Ok(())
}

/// Reads `iref`: what grids are made of.
pub fn references(content: &[u8], items: &mut [Item]) -> Result<()> {
    if content.is_empty() {
        return Ok(());
    }
    let mut head = Reader(content);
    let id_bytes = if head.version()? == 0 { 2 } else { 4 };
    for (_, entry) in children(head.0).filter(|(name, _)| name == b"dimg") {
        let mut entry = Reader(entry);
        let from = entry.number(id_bytes)?;
        let count = entry.number(2)? as usize;
        if count > MOST_TILES {
            return Err(format!("a grid of {count} pictures is too large"));
        }
        let tiles = (0..count)
            .map(|_| entry.number(id_bytes))
            .collect::<Result<Vec<_>>>()?;
        if let Some(item) = items.iter_mut().find(|item| item.id == from) {
            item.tiles = tiles;
        }
    }
    Ok(())
}

/// Reads `iprp`: configuration records, colours and orientation, and to which items they belong.
pub fn properties<'a>(content: &'a [u8], items: &mut [Item<'a>]) -> Result<()> {
    let part = |name: &[u8; 4]| {
        let found = children(content).find(|(found, _)| found == name);
        found.map_or(&[][..], |(_, content)| content)
    };
    let all: Vec<([u8; 4], &[u8])> = children(part(b"ipco")).collect();
    let mut reader = Reader(part(b"ipma"));
    let head = reader.number(4)?;
    let (id_bytes, index_bytes) = (
        if head >> 24 == 0 { 2 } else { 4 },
        if head & 1 == 0 { 1 } else { 2 },
    );
    for _ in 0..reader.number(4)? {
        let id = reader.number(id_bytes)?;
        for _ in 0..reader.number(1)? {
            let index =
                reader.number(index_bytes)? & (0x7f | if index_bytes == 2 { 0x7f00 } else { 0 });
            let property = (index as usize).checked_sub(1).and_then(|at| all.get(at));
            let item = items.iter_mut().find(|item| item.id == id);
            if let (Some(property), Some(item)) = (property, item) {
                apply(item, property);
            }
        }
    }
    Ok(())
}

fn apply<'a>(item: &mut Item<'a>, (name, content): &([u8; 4], &'a [u8])) {
    let first = content.first().copied().unwrap_or(0);
    match name {
        b"hvcC" | b"av1C" => item.record = content,
        b"colr" => {
            if let [b'n', b'c', b'l', b'x', _, _, _, _, _, matrix, range, ..] = content {
                item.colour = Some(Colour {
                    matrix: match matrix {
                        1 => Matrix::Bt709,
                        9 | 10 => Matrix::Bt2020,
                        _ => Matrix::Bt601,
                    },
                    full_range: range & 0x80 != 0,
                });
            }
        }
        // Quarter turns against the clock.
        b"irot" => {
            let turn = (4 - u16::from(first & 3)) % 4 * 90;
            item.orientation.degrees = (item.orientation.degrees + turn) % 360;
        }
        // What is mirrored after a turn is turned the other way after being mirrored. Axis 0 stands upright.
        b"imir" => {
            let upside_down = if first & 1 == 0 { 0 } else { 180 };
            let degrees = (360 - item.orientation.degrees + upside_down) % 360;
            item.orientation = Orientation {
                mirrored: !item.orientation.mirrored,
                degrees,
            };
        }
        _ => {}
    }
}
