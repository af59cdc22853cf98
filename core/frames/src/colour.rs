//! From the colours of video to those of JPEG, plane by plane and without a detour through RGB.
//!
//! Both are linear maps of red, green and blue, so one goes into the other by a matrix. Luma weights: ITU-R BT.601, BT.709
//! and BT.2020.

use crate::libav::{Colour, Error, Frame, Matrix, PixelFormat, Result};

/// Fixed-point: a sample is shifted left by 7, a coefficient by 13, the high half of their product keeps 4 bits of fraction.
const SAMPLE_BITS: i32 = 7;
const COEFFICIENT_BITS: i32 = 13;
const FRACTION_BITS: i32 = SAMPLE_BITS + COEFFICIENT_BITS - 16;

/// Coefficients from a YUV picture to BT.601 full range; luma does not enter into chroma.
struct Map {
    black: i16,
    luma: [i16; 3],
    chroma: [[i16; 2]; 2],
}

/// Returns the 8-bit 4:2:0 picture `source` with the colours that JPEG prescribes.
pub fn to_jpeg(source: &Frame, colour: Colour) -> Result<Frame> {
    let mut result = Frame::blank(PixelFormat::YUVJ420P, source.width(), source.height())?;
    let map = map(colour);
    let lost = || Error {
        what: "convert a picture",
        reason: "it has no planes".into(),
    };
    let (width, chroma_width) = (source.width() as usize, source.width().div_ceil(2) as usize);
    let (y, y_stride) = source.plane(0).ok_or_else(lost)?;
    let (u, u_stride) = source.plane(1).ok_or_else(lost)?;
    let (v, v_stride) = source.plane(2).ok_or_else(lost)?;
    let chroma = || {
        u.chunks(u_stride)
            .zip(v.chunks(v_stride))
            .map(|(u, v)| (&u[..chroma_width], &v[..chroma_width]))
    };

    let mut share = vec![0_i16; chroma_width * 2];
    let (target, stride) = result.plane_mut(0).ok_or_else(lost)?;
    for ((targets, sources), (u, v)) in target
        .chunks_mut(stride * 2)
        .zip(y.chunks(y_stride * 2))
        .zip(chroma())
    {
        for (at, (&u, &v)) in u.iter().zip(v).enumerate() {
            let sum = multiply(centred(u), map.luma[1]) + multiply(centred(v), map.luma[2]);
            share[at * 2] = sum;
            share[at * 2 + 1] = sum;
        }
        for (target, source) in targets.chunks_mut(stride).zip(sources.chunks(y_stride)) {
            for ((target, &source), &share) in
                target[..width].iter_mut().zip(&source[..width]).zip(&share)
            {
                let luma = (i16::from(source) - map.black) << SAMPLE_BITS;
                *target = rounded(multiply(luma, map.luma[0]).saturating_add(share));
            }
        }
    }
    for (plane, [from_u, from_v]) in [(1, map.chroma[0]), (2, map.chroma[1])] {
        let (target, stride) = result.plane_mut(plane).ok_or_else(lost)?;
        for (target, (u, v)) in target.chunks_mut(stride).zip(chroma()) {
            for ((target, &u), &v) in target[..chroma_width].iter_mut().zip(u).zip(v) {
                let sum = multiply(centred(u), from_u) + multiply(centred(v), from_v);
                *target = rounded(sum.saturating_add(128 << FRACTION_BITS));
            }
        }
    }
    Ok(result)
}

fn centred(sample: u8) -> i16 {
    (i16::from(sample) - 128) << SAMPLE_BITS
}

fn multiply(sample: i16, coefficient: i16) -> i16 {
    ((i32::from(sample) * i32::from(coefficient)) >> 16) as i16
}

fn rounded(value: i16) -> u8 {
    (value.saturating_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS).clamp(0, 255) as u8
}

/// Weights of red and blue in luma.
fn weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
        Matrix::Fcc => (0.30, 0.11),
        Matrix::Smpte240 => (0.212, 0.087),
    }
}

fn map(colour: Colour) -> Map {
    let (red, blue) = weights(colour.matrix);
    let green = 1.0 - red - blue;
    let (luma_gain, chroma_gain) = if colour.full_range {
        (1.0, 1.0)
    } else {
        (255.0 / 219.0, 255.0 / 224.0)
    };
    // Red, green and blue from (luma, u, v), all scaled to full range.
    let from_v = [2.0 * (1.0 - red), -2.0 * red * (1.0 - red) / green, 0.0];
    let from_u = [0.0, -2.0 * blue * (1.0 - blue) / green, 2.0 * (1.0 - blue)];
    let (red, blue) = weights(Matrix::Bt601);
    let luma_of = |rgb: [f64; 3]| red * rgb[0] + (1.0 - red - blue) * rgb[1] + blue * rgb[2];
    let u_of = |rgb: [f64; 3]| (rgb[2] - luma_of(rgb)) / (2.0 * (1.0 - blue));
    let v_of = |rgb: [f64; 3]| (rgb[0] - luma_of(rgb)) / (2.0 * (1.0 - red));
    let fixed = |value: f64| (value * f64::from(1 << COEFFICIENT_BITS)).round() as i16;
    Map {
        black: if colour.full_range { 0 } else { 16 },
        luma: [
            fixed(luma_gain),
            fixed(luma_of(from_u) * chroma_gain),
            fixed(luma_of(from_v) * chroma_gain),
        ],
        chroma: [
            [
                fixed(u_of(from_u) * chroma_gain),
                fixed(u_of(from_v) * chroma_gain),
            ],
            [
                fixed(v_of(from_u) * chroma_gain),
                fixed(v_of(from_v) * chroma_gain),
            ],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(colour: Colour, yuv: [u8; 3]) -> [u8; 3] {
        let mut source = Frame::blank(PixelFormat::YUV420P, 34, 17).unwrap();
        for (plane, value) in yuv.into_iter().enumerate() {
            source.plane_mut(plane).unwrap().0.fill(value);
        }
        let result = to_jpeg(&source, colour).unwrap();
        [0, 1, 2].map(|plane| *result.plane(plane).unwrap().0.last().unwrap())
    }

    #[test]
    fn agrees_with_the_standards() {
        let hd = Colour {
            matrix: Matrix::Bt709,
            full_range: false,
        };
        let sd = Colour {
            matrix: Matrix::Bt601,
            full_range: false,
        };
        // Black, white, and pure red, green and blue: BT.709 limited in, BT.601 full out.
        let cases = [
            (hd, [16, 128, 128], [0, 128, 128]),
            (hd, [235, 128, 128], [255, 128, 128]),
            (hd, [63, 102, 240], [76, 85, 255]),
            (hd, [173, 42, 26], [150, 44, 21]),
            (hd, [32, 240, 118], [29, 255, 107]),
            (sd, [81, 90, 240], [76, 85, 255]),
            (Colour::JPEG, [77, 88, 99], [77, 88, 99]),
        ];
        for (colour, yuv, expected) in cases {
            let found = convert(colour, yuv);
            let near = found
                .iter()
                .zip(expected)
                .all(|(&found, expected)| found.abs_diff(expected) <= 1);
            assert!(near, "{colour:?} {yuv:?}: {found:?}, not {expected:?}");
        }
    }
}
