//! HEIF pictures (ISO/IEC 23008-12), as phones take them: one coded picture, or a grid of them.

mod description;

use std::fs;
use std::path::Path;

use crate::boxes::children;
use crate::heif::description::{Item, Reader, kinds, places, properties, references};
use crate::libav::{Decoder, Error, Frame, Guard, LARGEST_PIXELS, Packet, Parameters, Threads};
use crate::turn::Orientation;

/// Larger files are no pictures.
const LARGEST_FILE_BYTES: u64 = 1 << 30;
/// Brands of files that hold pictures.
const BRANDS: [&[u8; 4]; 8] = [
    b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"hevc", b"miaf",
];

/// What is wrong with a file, as a text.
type Result<T> = std::result::Result<T, String>;

/// True if a file begins like one of these.
pub fn is_heif(head: &[u8]) -> bool {
    let brand = |brand: &[u8]| BRANDS.iter().any(|known| known.as_slice() == brand);
    head.get(4..8) == Some(b"ftyp") && head.get(8..12).is_some_and(brand)
}

/// Decodes the primary picture of a file, and says how it becomes upright.
///
/// Errors: what is wrong with the file.
pub fn decode(path: &Path) -> Result<(Frame, Orientation)> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST_FILE_BYTES {
        return Err("too large for a picture".into());
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let file = File::read(&bytes)?;
    let primary = file.item(file.primary)?;
    let picture = if &primary.kind == b"grid" {
        file.grid(primary)?
    } else {
        file.coded(primary)?
    };
    Ok((picture, primary.orientation))
}

/// What the `meta` box says.
struct File<'a> {
    bytes: &'a [u8],
    /// Small payloads that stand in the box itself.
    data: &'a [u8],
    primary: u32,
    items: Vec<Item<'a>>,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let (_, meta) = children(bytes)
            .find(|(name, _)| name == b"meta")
            .ok_or("no picture in it")?;
        let boxes: Vec<_> = children(meta.get(4..).unwrap_or_default()).collect();
        let part = |name: &[u8; 4]| {
            let found = boxes.iter().find(|(found, _)| found == name);
            found.map_or(&[][..], |&(_, content)| content)
        };
        let mut head = Reader(part(b"pitm"));
        let wide = head.version()? > 0;
        let mut file = File {
            bytes,
            data: part(b"idat"),
            primary: head.number(if wide { 4 } else { 2 })?,
            items: kinds(part(b"iinf"))?,
        };
        places(part(b"iloc"), &mut file.items)?;
        references(part(b"iref"), &mut file.items)?;
        properties(part(b"iprp"), &mut file.items)?;
        Ok(file)
    }

    fn item(&self, id: u32) -> Result<&Item<'a>> {
        let found = self.items.iter().find(|item| item.id == id);
        found.ok_or_else(|| format!("there is no item {id}"))
    }

    fn payload(&self, item: &Item) -> Result<Vec<u8>> {
        let from = if item.in_data { self.data } else { self.bytes };
        let mut payload = Vec::new();
        for &(start, length) in &item.extents {
            let rest = from.get(start..).ok_or("the file ends early")?;
            // No length means the rest.
            let length = if length == 0 { rest.len() } else { length };
            payload.extend_from_slice(rest.get(..length).ok_or("the file ends early")?);
            if payload.len() > self.bytes.len() {
                return Err("its parts overlap".into());
            }
        }
        Ok(payload)
    }

    fn coded(&self, item: &Item) -> Result<Frame> {
        let codec = match &item.kind {
            b"hvc1" | b"hev1" => "hevc",
            b"av01" => "av1",
            b"jpeg" => "mjpeg",
            other => {
                let kind = String::from_utf8_lossy(other);
                return Err(format!("pictures of the kind {kind} are not known"));
            }
        };
        let say = |error: Error| error.to_string();
        let parameters = Parameters::of_codec(codec, item.record).map_err(say)?;
        let mut decoder = Decoder::open(&parameters, Guard::Hide, Threads::One).map_err(say)?;
        let payload = self.payload(item)?;
        let size = u32::try_from(payload.len()).map_err(|_| "too large for a picture")?;
        let mut packet = Packet::new().map_err(say)?;
        let filled = packet.fill(size, |bytes| -> std::result::Result<(), Error> {
            bytes.copy_from_slice(&payload);
            Ok(())
        });
        filled.map_err(say)?;
        packet.label(0, true);
        decoder.send(&packet).map_err(say)?;
        decoder.finish().map_err(say)?;
        let picture = decoder.receive().map_err(say)?;
        let mut picture = picture.ok_or("the picture does not decode")?;
        if let Some(colour) = item.colour {
            picture.set_colour(colour);
        }
        Ok(picture)
    }

    /// Puts the pictures of a grid together; what stands out on the right and below is cut off.
    fn grid(&self, item: &Item) -> Result<Frame> {
        let payload = self.payload(item)?;
        let mut layout = Reader(&payload);
        layout.number(1)?;
        let wide = layout.number(1)? & 1 == 1;
        let (rows, columns) = (layout.number(1)? + 1, layout.number(1)? + 1);
        let side = if wide { 4 } else { 2 };
        let (width, height) = (layout.number(side)?, layout.number(side)?);
        if u64::from(width) * u64::from(height) > LARGEST_PIXELS || width == 0 || height == 0 {
            return Err(format!(
                "a picture of {width} by {height} pixels is not possible"
            ));
        }
        if item.tiles.len() != (rows * columns) as usize {
            let tiles = item.tiles.len();
            return Err(format!(
                "a grid of {columns} by {rows} has {tiles} pictures"
            ));
        }
        let mut canvas: Option<Frame> = None;
        for (at, &tile) in (0_u32..).zip(&item.tiles) {
            let tile = self.item(tile)?;
            let picture = self.coded(tile)?;
            let canvas = match &mut canvas {
                Some(canvas) => canvas,
                none => {
                    let blank = Frame::blank(picture.format(), width, height);
                    let mut blank = blank.map_err(|error| error.to_string())?;
                    blank.describe_as(&picture);
                    if let Some(colour) = item.colour {
                        blank.set_colour(colour);
                    }
                    none.insert(blank)
                }
            };
            if picture.format() != canvas.format() {
                return Err("its parts have different formats".into());
            }
            let (left, top) = (
                (at % columns).saturating_mul(picture.width()),
                (at / columns).saturating_mul(picture.height()),
            );
            paste(canvas, &picture, left, top)?;
        }
        canvas.ok_or_else(|| "the grid is empty".into())
    }
}

/// Copies a picture into a larger one of the same format, as far as there is room.
fn paste(canvas: &mut Frame, picture: &Frame, left: u32, top: u32) -> Result<()> {
    let lost = || "the picture has no planes".to_owned();
    let (across, down) = picture.format().chroma_steps();
    let room = (
        canvas.width().saturating_sub(left).min(picture.width()),
        canvas.height().saturating_sub(top).min(picture.height()),
    );
    for (plane, pixel_bytes) in picture.format().planes().into_iter().enumerate() {
        let chroma = plane == 1 || plane == 2;
        let (across, down) = if chroma { (across, down) } else { (1, 1) };
        let (width, height) = (
            room.0.div_ceil(across) as usize * pixel_bytes,
            room.1.div_ceil(down) as usize,
        );
        let (from, from_stride) = picture.plane(plane).ok_or_else(lost)?;
        let (to, to_stride) = canvas.plane_mut(plane).ok_or_else(lost)?;
        let start = (top / down) as usize * to_stride + (left / across) as usize * pixel_bytes;
        for row in 0..height {
            let (from, to) = (
                from.get(row * from_stride..)
                    .and_then(|row| row.get(..width)),
                to.get_mut(start + row * to_stride..)
                    .and_then(|row| row.get_mut(..width)),
            );
            let (Some(from), Some(to)) = (from, to) else {
                return Err("its parts do not fit together".into());
            };
            to.copy_from_slice(from);
        }
    }
    Ok(())
}
