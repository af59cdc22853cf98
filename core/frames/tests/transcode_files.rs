//! What a transcode makes beside encoded streams: copies, sound, stills; and what headers tell.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Bench, corpus, mp4, number_in, shown};
use transect_frame_client::{Output, Produced, TranscodeRequest, WorkerError};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2";
const BEEP_SECS: f64 = 2.0;

async fn make(
    bench: &Bench,
    source: &Path,
    ranges: &[(u64, u64)],
    outputs: Vec<Output>,
) -> Result<Vec<Produced>, WorkerError> {
    let index_file = source.with_extension("index");
    bench.workers.index(source, &index_file).await?;
    let request = TranscodeRequest {
        source: source.to_owned(),
        index_file,
        ranges: ranges.to_vec(),
        more: Vec::new(),
        outputs,
        encoders: 0,
    };
    bench.workers.transcode(request, |_| {}).await
}

async fn make_one(bench: &Bench, source: &Path, output: Output) -> Result<Produced, WorkerError> {
    Ok(make(bench, source, &[], vec![output]).await?.remove(0))
}

/// The index of a file, and when its frames begin in seconds from the first one.
async fn times_secs(bench: &Bench, path: &Path) -> Vec<f64> {
    let index_file = path.with_extension("made");
    let index = bench.workers.index(path, &index_file).await.unwrap();
    let secs = |pts: i64| (pts - index.start_pts) as f64 * index.time_base.as_f64();
    index.frames().map(|frame| secs(frame.pts)).collect()
}

/// The reason of a refusal.
fn refusal(result: Result<Produced, WorkerError>) -> String {
    match result {
        Err(WorkerError::Invalid { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn copies_show_the_same_or_are_refused() {
    let bench = Bench::new();
    let mut refused = Vec::new();
    for clip in corpus::clips(bench.folder.path(), 50) {
        if clip.kind != "video" {
            continue;
        }
        let name = &clip.name;
        for fragmented in [false, true] {
            let file = bench.path(&format!("{name}.{fragmented}.copy.mp4"));
            let copied = make_one(
                &bench,
                &clip.path,
                Output::Copy {
                    file: file.clone(),
                    fragmented,
                },
            )
            .await;
            assert!(
                !bench
                    .path(&format!("{name}.{fragmented}.copy.mp4.part"))
                    .exists()
            );
            match copied {
                Ok(copied) => {
                    let mut numbers = corpus::shown(&file, (clip.width, clip.height), clip.damaged);
                    assert_eq!(numbers.len(), copied.frames as usize, "{name}");
                    if clip.damaged {
                        numbers.truncate(clip.frames);
                    }
                    let expected = (0..clip.frames).map(|at| Some(clip.first + at));
                    assert!(numbers.iter().copied().eq(expected), "{name}: {numbers:?}");
                    let (from, to) = (
                        times_secs(&bench, &clip.path).await,
                        times_secs(&bench, &file).await,
                    );
                    let moved = from
                        .iter()
                        .zip(&to)
                        .any(|(from, to)| (from - to).abs() > 1e-3);
                    assert!(!moved, "{name} {fragmented}: {from:?} {to:?}");
                    assert_eq!(copied.segments.is_some(), fragmented);
                    if let Some(segments) = copied.segments {
                        let parts = mp4::file(&file);
                        let moofs = segments.segments.iter().filter(|one| one.name == "moof");
                        let frames: u64 = moofs.clone().map(|one| one.frame_samples.unwrap()).sum();
                        assert_eq!(parts.len(), segments.segments.len(), "{name}");
                        assert_eq!(frames, copied.frames, "{name}");
                        // Groups that cannot be decoded on their own are one.
                        let fragments = moofs.count();
                        match name.as_str() {
                            "h264_open_gop" => assert_eq!(fragments, 1),
                            "h264_cfr25" => assert_eq!(fragments, 2),
                            _ => {}
                        }
                    }
                }
                Err(WorkerError::Invalid { message }) => {
                    assert!(
                        message.contains("cannot be copied without encoding"),
                        "{message}"
                    );
                    assert!(!file.exists());
                    refused.push(format!("{name} {fragmented}: {message}"));
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    // What MP4 does not hold, what begins within a group, what has open groups; nothing else.
    let names: Vec<&str> = refused
        .iter()
        .map(|one| one.split_once(':').unwrap().0)
        .collect();
    println!("{refused:#?}");
    for plain in [
        "h264_cfr24",
        "h264_vfr",
        "h264_mkv",
        "h264_ts",
        "hevc",
        "av1",
        "h264_audio",
    ] {
        assert!(
            !names
                .iter()
                .any(|name| name.starts_with(&format!("{plain} "))),
            "{plain}"
        );
    }
    for cannot in [
        "prores false",
        "vp8 false",
        "vp8 true",
        "h264_edit_list true",
    ] {
        assert!(names.contains(&cannot), "{cannot} was copied");
    }
}

/// Makes a clip of five seconds with a beep at a time, in this container and codec.
fn beeping(bench: &Bench, name: &str, arguments: &str) -> PathBuf {
    let video = bench.clip("silent.mp4", 150, X264);
    let path = bench.path(name);
    let beep = format!(
        "aevalsrc='if(between(t,{BEEP_SECS},{BEEP_SECS}+0.2),sin(2*PI*1000*t),0)':s=44100:d=5:c=mono"
    );
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(&video)
        .args(["-f", "lavfi", "-i", &beep, "-c:v", "copy"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .status();
    assert!(status.unwrap().success(), "{name}");
    path
}

/// When the first loud sample comes in a sound file, and how long it is.
fn beep_secs(path: &Path) -> (f64, f64) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args([
            "-af",
            "aresample=async=1:first_pts=0",
            "-f",
            "f32le",
            "-ac",
            "1",
            "-ar",
            "44100",
            "-",
        ])
        .output()
        .unwrap();
    let samples: Vec<f32> = output
        .stdout
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let loud = samples.iter().position(|sample| sample.abs() > 0.3);
    let secs = |count: usize| count as f64 / 44100.0;
    (secs(loud.unwrap()), secs(samples.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sound_is_in_step() {
    let bench = Bench::new();
    for (name, arguments, kept) in [
        ("aac.mp4", "-c:a aac", true),
        ("offset.ts", "-c:a aac -output_ts_offset 5.3", true),
        ("pcm.mov", "-c:a pcm_s16le -ar 96000 -ac 2", false),
        ("opus.mkv", "-c:a libopus", false),
        (
            "several.mkv",
            "-map 0:v -map 1:a -map 1:a -c:a:0 flac -c:a:1 aac",
            false,
        ),
    ] {
        let source = beeping(&bench, name, arguments);
        let file = bench.path(&format!("{name}.m4a"));
        let made = make_one(&bench, &source, Output::Audio { file: file.clone() }).await;
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((made.codec.as_str(), made.frames), ("aac", 0));
        assert_eq!(made.codec_mime, "audio/mp4; codecs=\"mp4a.40.2\"");
        let (beep, length) = beep_secs(&file);
        assert!((beep - BEEP_SECS).abs() < 0.03, "{name}: {beep}");
        assert!((length - 5.0).abs() < 0.1, "{name}: {length}");
        if kept && name.ends_with("mp4") {
            assert_eq!(packets_md5(&source), packets_md5(&file));
        }
        // One second from 1.5 s on, then the same again.
        let ranges = [(45, 74), (45, 74)];
        let file = bench.path(&format!("{name}.part.m4a"));
        let output = Output::Audio { file: file.clone() };
        make(&bench, &source, &ranges, vec![output]).await.unwrap();
        let (beep, length) = beep_secs(&file);
        assert!((beep - 0.5).abs() < 0.03, "{name}: {beep} in a part");
        assert!((length - 2.0).abs() < 0.1, "{name}: {length} in a part");
    }
    // A flat copy keeps all of it; a file without any says so.
    let several = bench.path("several.mkv");
    let file = bench.path("copy.mp4");
    let copy = Output::Copy {
        file: file.clone(),
        fragmented: false,
    };
    make_one(&bench, &several, copy).await.unwrap();
    let tracks = mp4::children(&file, "moov", "trak");
    assert_eq!(tracks, 3);
    let (beep, _) = beep_secs(&file);
    assert!((beep - BEEP_SECS).abs() < 0.03, "{beep} in the copy");
    let silent = bench.path("silent.mp4");
    let output = Output::Audio {
        file: bench.path("no.m4a"),
    };
    assert!(refusal(make_one(&bench, &silent, output).await).contains("there is no sound"));
}

fn packets_md5(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a", "-c", "copy", "-f", "data", "-"])
        .output()
        .unwrap();
    assert!(!output.stdout.is_empty());
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stills_show_what_they_say() {
    let bench = Bench::new();
    let source = bench.clip("a.mp4", 150, X264);
    let stills = vec![
        Output::Thumbnail {
            file: bench.path("thumb.jpg"),
            width: 256,
        },
        Output::Gif {
            file: bench.path("thumb.gif"),
            width: 200,
        },
        Output::Sprite {
            file: bench.path("sheet.jpg"),
            width: 160,
            columns: 2,
            every: 45,
        },
    ];
    let stream = Output::Stream {
        file: bench.path("stream.mp4"),
        codec: transect_frame_client::VideoCodec::H264,
        height: Some(120),
        crf: 23,
        preset: "superfast".into(),
        tune: None,
        pixel_format: "yuv420p".into(),
        gop: 25,
        fragmented: true,
    };
    let alone = make(&bench, &source, &[], stills.clone()).await.unwrap();
    let bytes: Vec<_> = alone
        .iter()
        .map(|one| std::fs::read(&one.file).unwrap())
        .collect();
    let beside = [stills, vec![stream]].concat();
    let made = make(&bench, &source, &[], beside).await.unwrap();
    // On the way or on their own: the same.
    assert_eq!(made[..3], alone[..]);
    for (one, bytes) in made.iter().zip(&bytes) {
        assert_eq!(&std::fs::read(&one.file).unwrap(), bytes, "{:?}", one.file);
        assert_eq!(one.size_bytes as usize, bytes.len());
    }
    assert_eq!(number_in(&bytes[0]), Some(0));
    assert_eq!((made[0].width, made[0].height), (256, 141));
    assert_eq!(made[0].codec_mime, "image/jpeg");
    assert_eq!((made[1].width, made[1].frames), (200, 5));
    assert_eq!(made[1].codec_mime, "image/gif");
    let gif = shown(&made[1].file);
    assert_eq!(gif, [0, 30, 60, 90, 120]);
    // Of each second the picture that decodes by itself, whether the others are decoded anyway or not.
    let uneven = bench.clip("uneven.mp4", 150, &X264.replace("-g 30", "-g 24"));
    let summary = Output::Gif {
        file: bench.path("uneven.gif"),
        width: 320,
    };
    make_one(&bench, &uneven, summary).await.unwrap();
    assert_eq!(shown(&bench.path("uneven.gif")), [0, 48, 72, 96, 120]);
    let sprite = made[2].sprite.as_ref().unwrap();
    assert_eq!(sprite.frames, [0, 30, 90, 120]);
    assert_eq!((sprite.columns, sprite.rows), (2, 2));
    assert_eq!((sprite.tile_width, sprite.tile_height), (160, 88));
    assert_eq!((made[2].width, made[2].height), (320, 176));
    let sheet = image::load_from_memory(&bytes[2]).unwrap().to_luma8();
    for (at, &frame) in sprite.frames.iter().enumerate() {
        let (left, top) = (at as u32 % 2 * 160, at as u32 / 2 * 88);
        let luma = |x: usize, y: usize| sheet.get_pixel(left + x as u32, top + y as u32).0[0];
        assert_eq!(support::number(160, 88, luma), Some(frame as usize));
    }
    // Upright, and of a part.
    let turned = bench.convert(
        &source,
        "",
        "-c copy -metadata:s:v:0 rotate=90",
        "turned.mov",
    );
    let output = Output::Thumbnail {
        file: bench.path("turned.jpg"),
        width: 88,
    };
    let thumbnail = make_one(&bench, &turned, output).await.unwrap();
    assert_eq!((thumbnail.width, thumbnail.height), (88, 160));
    let output = vec![Output::Thumbnail {
        file: bench.path("part.jpg"),
        width: 1000,
    }];
    let part = make(&bench, &source, &[(77, 90)], output).await.unwrap();
    assert_eq!(number_in(&std::fs::read(&part[0].file).unwrap()), Some(77));
    assert_eq!((part[0].width, part[0].height), (320, 176));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn headers_tell() {
    let bench = Bench::new();
    let source = beeping(&bench, "probed.mp4", "-c:a aac");
    let probe = bench.workers.probe(&source).await.unwrap();
    let (video, audio) = (probe.video.unwrap(), probe.audio.unwrap());
    assert!(probe.container.starts_with("mov"));
    assert!((probe.duration_secs - 5.0).abs() < 0.1);
    assert_eq!(
        (video.codec.as_str(), video.width, video.height),
        ("h264", 320, 176)
    );
    assert_eq!(
        (video.frames, video.pixel_format.as_str()),
        (Some(150), "yuv420p")
    );
    assert_eq!(video.fps.map(|fps| fps.as_f64()), Some(30.0));
    assert_eq!(
        (audio.codec.as_str(), audio.sample_rate_hz, audio.channels),
        ("aac", 44100, 1)
    );
    let sound = bench.clip_with("a.wav", "-f lavfi -i sine=d=1", "");
    let probe = bench.workers.probe(&sound).await.unwrap();
    assert_eq!(
        (probe.video, probe.audio.map(|audio| audio.codec)),
        (None, Some("pcm_s16le".into()))
    );
    let text = bench.path("a.txt");
    std::fs::write(&text, "no media at all").unwrap();
    for path in [
        text,
        bench.path("missing.mp4"),
        bench.folder.path().to_owned(),
    ] {
        let refused = bench.workers.probe(&path).await;
        assert!(
            matches!(refused, Err(WorkerError::Unreadable { .. })),
            "{refused:?}"
        );
    }
}
