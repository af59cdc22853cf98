//! Pictures that say what went wrong, for callers that show whatever they get.

use font8x8::UnicodeFonts;

use crate::error::Error;

const SCALE: usize = 2;
const COLUMNS: usize = 40;
const GLYPH: usize = 8 * SCALE;

/// A grey PNG with the error's text in it.
pub(super) fn png(error: &Error) -> Vec<u8> {
    let lines = wrap(&error.to_string());
    let (width, height) = ((COLUMNS + 2) * GLYPH, (lines.len() + 2) * GLYPH);
    let mut pixels = vec![40_u8; width * height];
    for (row, line) in lines.iter().enumerate() {
        for (column, character) in line.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS.get(character).unwrap_or([0x7e; 8]);
            draw(
                &mut pixels,
                width,
                (column + 1) * GLYPH,
                (row + 1) * GLYPH,
                glyph,
            );
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a vector takes any header");
    writer
        .write_image_data(&pixels)
        .expect("the picture has the size of its header");
    drop(writer);
    bytes
}

fn draw(pixels: &mut [u8], width: usize, left: usize, top: usize, glyph: [u8; 8]) {
    for y in 0..GLYPH {
        for x in 0..GLYPH {
            if glyph[y / SCALE] >> (x / SCALE) & 1 == 1 {
                pixels[(top + y) * width + left + x] = 230;
            }
        }
    }
}

/// Lines of at most [`COLUMNS`] characters, broken at spaces where there are any.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let line = lines.last_mut().expect("there is always a line");
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used > 0 && used + gap + word.len().min(COLUMNS) > COLUMNS {
                lines.push(String::new());
                continue;
            }
            let taken = word.len().min(COLUMNS - used - gap);
            line.push_str(&" ".repeat(gap));
            line.extend(word.drain(..taken));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_and_sentences_fit_the_picture() {
        let lines = wrap(&format!("frame 9 is out of range: {}", "x".repeat(100)));
        assert!(
            lines.iter().all(|line| line.chars().count() <= COLUMNS),
            "{lines:?}"
        );
        assert!(png(&Error::invalid("frame 9 is out of range")).starts_with(b"\x89PNG"));
    }
}
