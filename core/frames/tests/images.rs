//! Picture files become what browsers show, upright, and none takes the machine along.

mod support;

use std::path::{Path, PathBuf};

use support::{Bench, corpus, mp4, number};
use transect_frame_client::{Image, ImageFormat, ImageRequest, WorkerError};

async fn convert(bench: &Bench, source: &Path, format: ImageFormat) -> Result<Image, WorkerError> {
    let request = ImageRequest {
        source: source.to_owned(),
        file: bench.path("converted"),
        format,
        thumbnail: Some((bench.path("converted.jpg"), 160)),
    };
    bench.workers.convert_image(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pictures_for_browsers() {
    let bench = Bench::new();
    let names = [
        "image_jpg",
        "image_png",
        "image_webp",
        "image_avif",
        "image_tiff",
        "h264_cfr25",
    ];
    for clip in corpus::some_clips(bench.folder.path(), 20, &names) {
        let converted = convert(&bench, &clip.path, ImageFormat::Keep).await;
        if clip.kind != "image" {
            assert!(
                matches!(converted, Err(WorkerError::Unreadable { .. })),
                "{}",
                clip.name
            );
            continue;
        }
        let image = converted.unwrap_or_else(|error| panic!("{}: {error}", clip.name));
        let bytes = std::fs::read(bench.path("converted")).unwrap();
        assert_eq!(image.size_bytes as usize, bytes.len());
        assert_eq!(
            (image.width as usize, image.height as usize),
            (clip.width, clip.height)
        );
        let same = bytes == std::fs::read(&clip.path).unwrap();
        match clip.name.as_str() {
            "image_jpg" => assert!(same && image.mime == "image/jpeg"),
            "image_png" => assert!(same && image.mime == "image/png"),
            name => assert!(!same && image.mime == "image/png", "{name}"),
        }
        for (file, width, height) in [
            ("converted", clip.width, clip.height),
            ("converted.jpg", 160, 120),
        ] {
            let picture =
                image::load_from_memory(&std::fs::read(bench.path(file)).unwrap()).unwrap();
            let picture = picture.to_luma8();
            assert_eq!(
                (picture.width() as usize, picture.height() as usize),
                (width, height)
            );
            let number = corpus::number(picture.as_raw(), width, height);
            assert_eq!(number, Some(clip.first), "{} {file}", clip.name);
        }
    }
    let png = bench.path("image_png.png");
    for (format, mime) in [
        (ImageFormat::Jpg, "image/jpeg"),
        (ImageFormat::Webp, "image/webp"),
    ] {
        let image = convert(&bench, &png, format).await.unwrap();
        assert_eq!(image.mime, mime);
        let bytes = std::fs::read(bench.path("converted")).unwrap();
        assert!(image::load_from_memory(&bytes).is_ok());
    }
}

/// A JPEG of 40 by 20, left half black, right half white, that says how it was held.
fn held(bench: &Bench, orientation: u8) -> PathBuf {
    let plain = bench.clip_with(
        "plain.jpg",
        "-f lavfi -i color=black:s=40x20,drawbox=x=20:y=0:w=20:h=20:c=white:t=fill",
        "-frames:v 1 -pix_fmt yuvj444p",
    );
    let bytes = std::fs::read(plain).unwrap();
    // APP1: "Exif", then TIFF with one entry, tag 0x112.
    let mut exif =
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let path = bench.path("held.jpg");
    std::fs::write(&path, [&bytes[..2], &exif, &bytes[2..]].concat()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pictures_are_upright() {
    let bench = Bench::new();
    // Where the white half is: x and y of a point in it, over width and height.
    for (orientation, white, size) in [
        (1, (0.75, 0.5), (40, 20)),
        (2, (0.25, 0.5), (40, 20)),
        (3, (0.25, 0.5), (40, 20)),
        (4, (0.75, 0.5), (40, 20)),
        (5, (0.5, 0.75), (20, 40)),
        (6, (0.5, 0.75), (20, 40)),
        (7, (0.5, 0.25), (20, 40)),
        (8, (0.5, 0.25), (20, 40)),
    ] {
        let source = held(&bench, orientation);
        let image = convert(&bench, &source, ImageFormat::Png).await.unwrap();
        assert_eq!((image.width, image.height), size, "{orientation}");
        for file in ["converted", "converted.jpg"] {
            let picture =
                image::load_from_memory(&std::fs::read(bench.path(file)).unwrap()).unwrap();
            let picture = picture.to_luma8();
            let at = |(x, y): (f64, f64)| {
                let (width, height) = picture.dimensions();
                picture
                    .get_pixel(
                        (x * f64::from(width)) as u32,
                        (y * f64::from(height)) as u32,
                    )
                    .0[0]
            };
            assert!(at(white) > 200, "{orientation} {file}");
            assert!(
                at((1.0 - white.0, 1.0 - white.1)) < 60,
                "{orientation} {file}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bombs_are_refused() {
    let bench = Bench::new();
    // A PNG of 60000 by 60000 pixels, as far as its header says.
    let real =
        std::fs::read(bench.clip_with("a.png", "-f lavfi -i color=red:s=8x8", "-frames:v 1"))
            .unwrap();
    let mut bomb = real.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let sum = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    let path = bench.path("bomb.png");
    std::fs::write(&path, bomb).unwrap();
    let refused = convert(&bench, &path, ImageFormat::Keep).await;
    let Err(WorkerError::Unreadable { message }) = refused else {
        panic!("{refused:?}");
    };
    assert!(message.contains("megapixels"), "{message}");
    // Cut short, empty, and no picture at all.
    for bytes in [&real[..real.len() / 2], &[], b"<svg></svg>"] {
        std::fs::write(&path, bytes).unwrap();
        let refused = convert(&bench, &path, ImageFormat::Keep).await;
        assert!(
            matches!(refused, Err(WorkerError::Unreadable { .. })),
            "{refused:?}"
        );
    }
    // Many megapixels are fine.
    let large = bench.clip_with(
        "large.png",
        "-f lavfi -i color=red:s=6000x4000",
        "-frames:v 1",
    );
    let image = convert(&bench, &large, ImageFormat::Jpg).await.unwrap();
    assert_eq!((image.width, image.height), (6000, 4000));
    assert_eq!(
        image.thumbnail.map(|(width, height, _)| (width, height)),
        Some((160, 107))
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// A box with this content.
fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = content.len() as u32 + 8;
    [&size.to_be_bytes()[..], name, content].concat()
}

/// The coded bytes of a part of a numbered picture as HEVC, and the configuration record.
fn coded_part(bench: &Bench, crop: &str) -> (Vec<u8>, Vec<u8>) {
    let clip = bench.clip(
        "part.mp4",
        1,
        &format!(
            "-vf crop={crop} -c:v libx265 -x265-params log-level=none -crf 10 -pix_fmt yuv420p"
        ),
    );
    let parts = mp4::file(&clip);
    let payload = parts.iter().find(|part| part.name == "mdat").unwrap();
    let bytes = std::fs::read(&clip).unwrap();
    let at = bytes.windows(4).position(|name| name == b"hvcC").unwrap();
    let size = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    (
        payload.content.clone(),
        bytes[at + 4..at - 4 + size].to_vec(),
    )
}

/// A picture as phones take it: two halves in a grid that is a little smaller, turned by a quarter against the clock, and
/// perhaps mirrored left to right after that.
fn phone_picture(bench: &Bench, mirrored: bool) -> Vec<u8> {
    let (left, record) = coded_part(bench, "160:176:0:0");
    let (right, _) = coded_part(bench, "160:176:160:0");
    let grid = [0, 0, 0, 1, 1, 64, 0, 172];
    let infe = |id: u8, kind: &[u8; 4]| {
        boxed(
            b"infe",
            &[&[2, 0, 0, 0, 0, id, 0, 0], &kind[..], &[0]].concat(),
        )
    };
    let items = [
        &[0, 0, 0, 0, 0, 3][..],
        &infe(1, b"hvc1"),
        &infe(2, b"hvc1"),
        &infe(3, b"grid"),
    ];
    let reference = boxed(b"dimg", &[0, 3, 0, 2, 0, 1, 0, 2]);
    let properties = [
        boxed(b"hvcC", &record),
        boxed(b"irot", &[1]),
        boxed(b"imir", &[0]),
    ];
    let turns: &[u8] = if mirrored {
        &[2, 0x82, 0x83]
    } else {
        &[1, 0x82]
    };
    let belongs = [
        &[0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 0x81, 0, 2, 1, 0x81, 0, 3][..],
        turns,
    ]
    .concat();
    let properties = [
        boxed(b"ipco", &properties.concat()),
        boxed(b"ipma", &belongs),
    ];
    let ftyp = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
    let meta = |start: usize| {
        let place = |id: u8, method: u8, start: usize, length: usize| {
            let head = [0, id, 0, method, 0, 0, 0, 1];
            let (start, length) = (start as u32, length as u32);
            [&head[..], &start.to_be_bytes(), &length.to_be_bytes()].concat()
        };
        let places = [
            vec![1, 0, 0, 0, 0x44, 0, 0, 3],
            place(1, 0, start, left.len()),
            place(2, 0, start + left.len(), right.len()),
            place(3, 1, 0, grid.len()),
        ];
        let parts = [
            vec![0; 4],
            boxed(b"pitm", &[0, 0, 0, 0, 0, 3]),
            boxed(b"iloc", &places.concat()),
            boxed(b"iinf", &items.concat()),
            boxed(b"iref", &[&[0; 4][..], &reference].concat()),
            boxed(b"iprp", &properties.concat()),
            boxed(b"idat", &grid),
        ];
        boxed(b"meta", &parts.concat())
    };
    let start = ftyp.len() + meta(0).len() + 8;
    let payload = boxed(b"mdat", &[&left[..], &right].concat());
    [ftyp, meta(start), payload].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pictures_of_phones() {
    let bench = Bench::new();
    let path = bench.path("phone.heic");
    for mirrored in [false, true] {
        let bytes = phone_picture(&bench, mirrored);
        std::fs::write(&path, &bytes).unwrap();
        let image = convert(&bench, &path, ImageFormat::Keep).await.unwrap();
        assert_eq!((image.width, image.height), (172, 320));
        assert_eq!(image.mime, "image/png");
        let shown = std::fs::read(bench.path("converted")).unwrap();
        let shown = image::load_from_memory(&shown).unwrap().to_luma8();
        // Turned back, the number can be read.
        let luma = |x: usize, y: usize| {
            let across = if mirrored { 171 - y } else { y };
            shown.get_pixel(across as u32, 319 - x as u32).0[0]
        };
        assert_eq!(number(320, 176, luma), Some(0));
        // Whatever is damaged costs nothing but this picture.
        for at in (0..bytes.len().min(700)).step_by(41) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            std::fs::write(&path, damaged).unwrap();
            match convert(&bench, &path, ImageFormat::Keep).await {
                Ok(_) | Err(WorkerError::Unreadable { .. }) => {}
                Err(error) => panic!("byte {at}: {error}"),
            }
        }
    }
}
