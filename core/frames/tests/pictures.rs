//! Formats, sizes, regions, turned videos, grids and animations.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Bench, HEIGHT, WIDTH, number, number_in, shown};
use transect_frame_client::{
    ComposeRequest, Format, Fraction, Layout, PictureRequest, Roi, Size, WorkerError,
};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2";

async fn indexed(bench: &Bench, path: PathBuf) -> (PathBuf, PathBuf) {
    let index_file = path.with_extension("index");
    bench.workers.index(&path, &index_file).await.unwrap();
    (path, index_file)
}

fn compose(path: &Path, index_file: &Path, layout: Layout, format: Format) -> ComposeRequest {
    ComposeRequest {
        source: path.to_owned(),
        index_file: index_file.to_owned(),
        frames: vec![3, 40, 11, 12, 59],
        others: Vec::new(),
        files: Vec::new(),
        layout,
        roi: None,
        rois: Vec::new(),
        size: Size::Native,
        format,
        quality: 90,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_format_and_size_shows_the_frame() {
    let bench = Bench::new();
    let (path, index_file) = indexed(&bench, bench.clip("a.mp4", 60, X264)).await;
    for format in [Format::Jpg, Format::Png, Format::Webp, Format::Gif] {
        for (size, expected) in [
            (Size::Native, (320, 176)),
            (Size::MaxHeight(88), (160, 88)),
            (Size::MaxHeight(1000), (320, 176)),
            (
                Size::Exact {
                    width: 201,
                    height: 333,
                },
                (201, 333),
            ),
        ] {
            let request = PictureRequest {
                format,
                size,
                ..PictureRequest::jpg(&path, &index_file, 33)
            };
            let picture = bench.workers.picture(request).await.unwrap();
            assert_eq!((picture.width, picture.height), expected);
            let read = image::load_from_memory(&picture.bytes).unwrap();
            assert_eq!((read.width(), read.height()), expected, "{format:?}");
            assert_eq!(number_in(&picture.bytes), Some(33), "{format:?} {size:?}");
        }
    }
    let movie = PictureRequest {
        format: Format::Mp4,
        ..PictureRequest::jpg(&path, &index_file, 1)
    };
    assert!(matches!(
        bench.workers.picture(movie).await,
        Err(WorkerError::Invalid { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn regions_are_exact_to_the_pixel() {
    let bench = Bench::new();
    let (path, index_file) = indexed(&bench, bench.clip("a.mp4", 10, X264)).await;
    let whole = PictureRequest {
        format: Format::Png,
        ..PictureRequest::jpg(&path, &index_file, 5)
    };
    let picture = bench.workers.picture(whole.clone()).await.unwrap();
    let picture = image::load_from_memory(&picture.bytes).unwrap().to_rgb8();
    for (x, y, width, height) in [
        (0, 0, 320, 176),
        (32, 16, 64, 32),
        (31, 15, 33, 17),
        (319, 175, 1, 1),
    ] {
        let roi = Roi {
            width_norm: f64::from(width) / WIDTH as f64,
            height_norm: f64::from(height) / HEIGHT as f64,
            x_norm: f64::from(x) / WIDTH as f64,
            y_norm: f64::from(y) / HEIGHT as f64,
        };
        let part = bench
            .workers
            .picture(PictureRequest {
                roi: Some(roi),
                ..whole.clone()
            })
            .await
            .unwrap();
        let part = image::load_from_memory(&part.bytes).unwrap().to_rgb8();
        assert_eq!(part.dimensions(), (width, height));
        let (here, there) = (
            part.get_pixel(width - 1, 0),
            picture.get_pixel(x + width - 1, y),
        );
        assert!(
            here.0.iter().zip(there.0).all(|(a, b)| a.abs_diff(b) <= 8),
            "{here:?} {there:?}"
        );
    }
    let outside: Roi = "0.1:0.1:1.5:0".parse().unwrap();
    let answer = bench
        .workers
        .picture(PictureRequest {
            roi: Some(outside),
            ..whole
        })
        .await;
    assert!(matches!(answer, Err(WorkerError::Invalid { .. })));
    assert!("1:1:0".parse::<Roi>().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn turned_videos_come_upright() {
    let bench = Bench::new();
    let plain = bench.clip("plain.mp4", 20, X264);
    for degrees in [90, 180, 270] {
        // The tag counts against the clock: what is stored is shown turned by 360 − tag.
        let name = format!("turned{degrees}.mp4");
        let tag = format!("-c copy -metadata:s:v:0 rotate={degrees}");
        let (path, index_file) = indexed(&bench, bench.convert(&plain, "", &tag, &name)).await;
        for format in [Format::Jpg, Format::Png] {
            let request = PictureRequest {
                format,
                ..PictureRequest::jpg(&path, &index_file, 9)
            };
            let picture = bench.workers.picture(request).await.unwrap();
            let picture = image::load_from_memory(&picture.bytes).unwrap().to_luma8();
            let upright = bench.convert(
                &path,
                "",
                "-frames:v 1 -vf select=eq(n\\,9)",
                &format!("{degrees}.png"),
            );
            let upright = image::open(upright).unwrap().to_luma8();
            assert_eq!(picture.dimensions(), upright.dimensions(), "{degrees}");
            let difference: u64 = picture
                .pixels()
                .zip(upright.pixels())
                .map(|(a, b)| u64::from(a.0[0].abs_diff(b.0[0])))
                .sum();
            assert!(
                difference < 4 * (WIDTH * HEIGHT) as u64,
                "{degrees} {format:?}: {difference}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn colours_survive_jpeg() {
    let bench = Bench::new();
    // BT.709 and BT.601, limited and full range, and RGB: one colour, whatever the numbers in the file.
    for (name, arguments) in [
        (
            "hd.mp4",
            "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -c:v libx264 -colorspace bt709 -color_range tv",
        ),
        (
            "sd.mp4",
            "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv420p -c:v libx264 -colorspace smpte170m -color_range tv",
        ),
        (
            "full.mp4",
            "-vf scale=out_color_matrix=bt709:out_range=pc,format=yuvj420p -c:v libx264 -colorspace bt709 -color_range pc",
        ),
        (
            "deep.mp4",
            "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv422p10 -c:v libx264 -colorspace bt709 -color_range tv",
        ),
        ("rgb.png", "-frames:v 1"),
    ] {
        let before = "-f lavfi -i color=0xC86432:s=320x176:d=1:r=5";
        let path = bench.clip_with(name, before, arguments);
        let (path, index_file) = indexed(&bench, path).await;
        for format in [Format::Jpg, Format::Png, Format::Webp] {
            let request = PictureRequest {
                format,
                quality: 95,
                ..PictureRequest::jpg(&path, &index_file, 0)
            };
            let picture = bench.workers.picture(request).await.unwrap();
            let pixel = image::load_from_memory(&picture.bytes)
                .unwrap()
                .to_rgb8()
                .get_pixel(100, 100)
                .0;
            let near = pixel
                .iter()
                .zip([0xc8, 0x64, 0x32])
                .all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 4);
            assert!(near, "{name} {format:?}: {pixel:?}");
        }
    }
}

/// One picture of a file as FFmpeg hands it out: its planes in YUV4MPEG2, behind two lines of text.
fn planes_by_ffmpeg(path: &Path, frame: usize, filter: &str) -> Vec<u8> {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-vf", &format!("select=eq(n\\,{frame}){filter}")])
        .args(["-fps_mode", "passthrough", "-frames:v", "1"])
        .args(["-f", "yuv4mpegpipe", "-strict", "-1", "-"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{path:?}");
    samples(&made.stdout).1.to_vec()
}

/// The header of YUV4MPEG2, and the samples.
fn samples(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    let samples = bytes[end + 1..].strip_prefix(b"FRAME\n").unwrap();
    (std::str::from_utf8(&bytes[..end]).unwrap(), samples)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn planes_are_the_samples_that_were_decoded() {
    let bench = Bench::new();
    for (name, arguments, filter, says) in [
        ("plain.mp4", X264, "", "C420jpeg XCOLORRANGE=LIMITED"),
        (
            "deep.mp4",
            "-c:v libx264 -pix_fmt yuv422p10",
            "",
            "C422p10 XCOLORRANGE=LIMITED",
        ),
        ("gray.mkv", "-c:v ffv1 -pix_fmt gray", "", "Cmono"),
        ("whole.mkv", "-c:v ffv1 -pix_fmt yuv444p", "", "C444 "),
        (
            "packed.avi",
            "-c:v rawvideo -pix_fmt yuyv422",
            ",format=yuv422p",
            "C422 ",
        ),
        ("sensor.mkv", "-c:v ffv1 -pix_fmt gray10", "", "Cmono10 "),
    ] {
        // An odd width: rows end in half a chroma sample.
        let size = if name == "whole.mkv" {
            "321x177"
        } else {
            "320x176"
        };
        let before = format!("-f lavfi -i testsrc2=s={size}:d=1:r=10");
        let (path, index_file) = indexed(&bench, bench.clip_with(name, &before, arguments)).await;
        let request = |frame, size| PictureRequest {
            format: Format::Y4m,
            size,
            ..PictureRequest::jpg(&path, &index_file, frame)
        };
        let picture = bench
            .workers
            .picture(request(7, Size::Native))
            .await
            .unwrap();
        let (header, planes) = samples(&picture.bytes);
        assert!(header.starts_with("YUV4MPEG2 W32"), "{name}: {header}");
        assert!(header.contains(says), "{name}: {header}");
        assert!(planes == planes_by_ffmpeg(&path, 7, filter), "{name}");
        let small = request(
            7,
            Size::Exact {
                width: 64,
                height: 48,
            },
        );
        let small = bench.workers.picture(small).await.unwrap();
        assert!(
            samples(&small.bytes).0.starts_with("YUV4MPEG2 W64 H48 "),
            "{name}"
        );
    }
    let lying = bench.clip_with("lying.mp4", "-f lavfi -i testsrc2=s=320x176:d=1:r=10", X264);
    let lying = format!("-i {}", lying.display());
    let turned = "-c copy -metadata:s:v:0 rotate=90";
    let path = bench.clip_with("turned.mp4", &lying, turned);
    let (path, index_file) = indexed(&bench, path).await;
    let request = PictureRequest {
        format: Format::Y4m,
        ..PictureRequest::jpg(&path, &index_file, 3)
    };
    let picture = bench.workers.picture(request).await.unwrap();
    let (header, planes) = samples(&picture.bytes);
    // FFmpeg turns by itself, too.
    assert!(planes == planes_by_ffmpeg(&path, 3, ""), "{header}");
    let grid = compose(
        &path,
        &index_file,
        Layout::Tile {
            columns: None,
            rows: None,
        },
        Format::Y4m,
    );
    let grid = ComposeRequest {
        frames: vec![1, 2],
        ..grid
    };
    let refused = bench.workers.compose(grid).await;
    assert!(
        matches!(refused, Err(WorkerError::Invalid { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn grids_and_animations_hold_the_frames_in_order() {
    let bench = Bench::new();
    let (path, index_file) = indexed(&bench, bench.clip("a.mp4", 60, X264)).await;
    let square = Layout::Tile {
        columns: None,
        rows: None,
    };
    for format in [Format::Png, Format::Jpg, Format::Gif, Format::Webp] {
        let grid = bench
            .workers
            .compose(compose(&path, &index_file, square, format))
            .await
            .unwrap();
        assert_eq!((grid.width, grid.height), (960, 352));
        let grid = image::load_from_memory(&grid.bytes).unwrap().to_luma8();
        let read = |column: usize, row: usize| {
            number(WIDTH, HEIGHT, |x, y| {
                grid.get_pixel((x + column * WIDTH) as u32, (y + row * HEIGHT) as u32)
                    .0[0]
            })
        };
        let cells = [
            read(0, 0),
            read(1, 0),
            read(2, 0),
            read(0, 1),
            read(1, 1),
            read(2, 1),
        ];
        assert_eq!(
            cells,
            [Some(3), Some(40), Some(11), Some(12), Some(59), None],
            "{format:?}"
        );
    }
    let row = Layout::Tile {
        columns: Some(5),
        rows: Some(1),
    };
    let grid = bench
        .workers
        .compose(compose(&path, &index_file, row, Format::Png))
        .await
        .unwrap();
    assert_eq!((grid.width, grid.height), (1600, 176));
    let small = Layout::Tile {
        columns: Some(2),
        rows: Some(2),
    };
    let refused = bench
        .workers
        .compose(compose(&path, &index_file, small, Format::Png))
        .await;
    assert!(matches!(refused, Err(WorkerError::Invalid { .. })));
    let moving = Layout::Animate {
        rate: Fraction { num: 5, den: 2 },
    };
    for format in [Format::Gif, Format::Mp4] {
        let picture = bench
            .workers
            .compose(compose(&path, &index_file, moving, format))
            .await
            .unwrap();
        let file = bench.path(if format == Format::Gif {
            "moving.gif"
        } else {
            "moving.mp4"
        });
        std::fs::write(&file, &picture.bytes).unwrap();
        assert_eq!(shown(&file), [3, 40, 11, 12, 59], "{format:?}");
    }
    let refused = bench
        .workers
        .compose(compose(&path, &index_file, moving, Format::Jpg))
        .await;
    assert!(matches!(refused, Err(WorkerError::Invalid { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_grid_may_show_another_region_of_each_frame() {
    let bench = Bench::new();
    let (path, index_file) = indexed(&bench, bench.clip("a.mp4", 60, X264)).await;
    let whole = (WIDTH as u32, HEIGHT as u32);
    let size = Size::Exact {
        width: 48,
        height: 40,
    };
    let (frames, extent) = (vec![3, 40, 11], (31, 20));
    let rois: Vec<Roi> = [(0, 0), (17, 5), (289, 156)]
        .into_iter()
        .map(|corner| Roi::of_pixels(corner, extent, whole))
        .collect();
    let row = Layout::Tile {
        columns: Some(3),
        rows: None,
    };
    let request = ComposeRequest {
        frames: frames.clone(),
        rois: rois.clone(),
        size,
        ..compose(&path, &index_file, row, Format::Png)
    };
    let grid = bench.workers.compose(request.clone()).await.unwrap();
    let grid = image::load_from_memory(&grid.bytes).unwrap().to_rgb8();
    assert_eq!(grid.dimensions(), (144, 40));
    for (at, (frame, roi)) in frames.into_iter().zip(rois).enumerate() {
        let alone = PictureRequest {
            format: Format::Png,
            roi: Some(roi),
            size,
            ..PictureRequest::jpg(&path, &index_file, frame)
        };
        let alone = bench.workers.picture(alone).await.unwrap();
        let alone = image::load_from_memory(&alone.bytes).unwrap().to_rgb8();
        let tile = image::imageops::crop_imm(&grid, at as u32 * 48, 0, 48, 40).to_image();
        assert_eq!(tile, alone, "{frame}");
    }
    let refused = bench
        .workers
        .compose(ComposeRequest {
            rois: request.rois[..2].to_vec(),
            ..request
        })
        .await;
    assert!(matches!(refused, Err(WorkerError::Invalid { .. })));
}
