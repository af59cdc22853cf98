//! Frame n of an output is frame n of the source, at its own time, whatever the containers and codecs do.

mod support;

use std::path::{Path, PathBuf};

use support::{Bench, corpus, mp4, shown};
use transect_frame_client::{
    FrameIndex, Output, Produced, TranscodeRequest, VideoCodec, WorkerError,
};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30";

fn stream(file: PathBuf, codec: VideoCodec, height: Option<u32>) -> Output {
    let preset = if codec == VideoCodec::Av1 {
        "12"
    } else {
        "superfast"
    };
    Output::Stream {
        file,
        codec,
        height,
        crf: 20,
        preset: preset.into(),
        tune: Some("fastdecode".into()),
        pixel_format: "yuv420p".into(),
        gop: 25,
        fragmented: true,
    }
}

fn h264(file: PathBuf, height: Option<u32>) -> Output {
    stream(file, VideoCodec::H264, height)
}

async fn transcode(
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

/// When frames begin, in seconds from the first one.
fn times_secs(index: &FrameIndex) -> Vec<f64> {
    let secs = |pts: i64| (pts - index.start_pts) as f64 * index.time_base.as_f64();
    index.frames().map(|frame| secs(frame.pts)).collect()
}

/// Checks the fragments of a file against its segment index, and each other.
fn check_fragments(produced: &Produced, gop: u64) {
    let name = produced.file.display();
    let parts = mp4::file(&produced.file);
    let segments = produced.segments.as_ref().unwrap();
    let mut frames = 0;
    let mut end = 0;
    let mut number = 0;
    assert_eq!(parts.len(), segments.segments.len(), "{name}");
    for (part, segment) in parts.iter().zip(&segments.segments) {
        assert_eq!(
            (&part.name, part.offset, part.size),
            (&segment.name, segment.offset, segment.size),
            "{name}"
        );
        if part.name != "moof" {
            assert_eq!((segment.frame_start, segment.frame_samples), (None, None));
            continue;
        }
        let moof = mp4::moof(&part.content);
        number += 1;
        assert_eq!(moof.number, number, "{name}");
        assert_eq!(segment.frame_start, Some(frames), "{name}");
        assert_eq!(segment.frame_samples, Some(moof.samples), "{name}");
        assert_eq!(moof.time, end, "{name}: fragment {number} is not in time");
        end += moof.duration;
        frames += moof.samples;
        assert!(moof.samples == gop || frames == produced.frames, "{name}");
    }
    assert_eq!(frames, produced.frames, "{name}");
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names[..2], ["ftyp", "moov"], "{name}");
    assert_eq!(names.last(), Some(&"mfra"), "{name}");
    assert_eq!(segments.file.start, 0.0);
    let text = serde_json::to_value(segments).unwrap();
    assert_eq!(text["file"]["version"], 2);
    assert_eq!(text["segments"][0].as_object().unwrap().len(), 3);
    assert_eq!(text["segments"][2].as_object().unwrap().len(), 5);
}

/// Checks that a file shows the frames of the source at their times.
async fn check_times(bench: &Bench, source: &Path, produced: &Produced) {
    let name = produced.file.display();
    let expected = FrameIndex::read(&source.with_extension("index")).unwrap();
    let index_file = produced.file.with_extension("made");
    let found = bench
        .workers
        .index(&produced.file, &index_file)
        .await
        .unwrap();
    assert_eq!(found.frame_count(), expected.frame_count(), "{name}");
    assert_eq!(found.start_pts, 0, "{name}");
    let moved = times_secs(&expected)
        .into_iter()
        .zip(times_secs(&found))
        .position(|(expected, found)| (expected - found).abs() > 1e-6);
    assert_eq!(moved, None, "{name}: another time");
    assert_eq!(
        found.display_size(),
        (produced.width, produced.height),
        "{name}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_whole_corpus() {
    let bench = Bench::new();
    for clip in corpus::clips(bench.folder.path(), 55) {
        let name = &clip.name;
        let outputs = vec![
            h264(bench.path(&format!("{name}.small.out.mp4")), Some(120)),
            h264(bench.path(&format!("{name}.native.out.mp4")), None),
        ];
        let produced = transcode(&bench, &clip.path, &[], outputs).await;
        let produced = produced.unwrap_or_else(|error| panic!("{name}: {error}"));
        for (produced, height) in produced.iter().zip([120, clip.height]) {
            let (width, height) = (clip.width * height / clip.height, height);
            assert_eq!(
                (produced.width as usize, produced.height as usize),
                (width, height),
                "{name}"
            );
            let mut numbers = corpus::shown(&produced.file, (width, height), false);
            assert_eq!(produced.frames as usize, numbers.len());
            if clip.damaged {
                // What is left of a picture that was cut is shown as far as it goes.
                numbers.truncate(clip.frames);
            }
            let expected = (0..numbers.len()).map(|at| Some(clip.first + at));
            assert!(
                numbers.iter().copied().eq(expected),
                "{name}: {numbers:?} at height {height}"
            );
            assert_eq!(numbers.len(), clip.frames, "{name}");
            check_fragments(produced, 25);
            if clip.kind == "video" {
                check_times(&bench, &clip.path, produced).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn codecs_and_containers() {
    let bench = Bench::new();
    let source = bench.clip(
        "a.mkv",
        60,
        &format!("{X264} -bf 2 -vf setpts=(N*3+mod(N*N\\,7)*0.3)/90/TB -fps_mode passthrough"),
    );
    let flat = Output::Stream {
        file: bench.path("flat.mp4"),
        codec: VideoCodec::H264,
        height: Some(120),
        crf: 20,
        preset: "veryfast".into(),
        tune: None,
        pixel_format: "yuv422p10le".into(),
        gop: 10,
        fragmented: false,
    };
    let outputs = vec![
        stream(bench.path("hevc.mp4"), VideoCodec::Hevc, None),
        stream(bench.path("av1.mp4"), VideoCodec::Av1, Some(144)),
        flat,
    ];
    let mut unwanted = outputs.clone();
    let produced = transcode(&bench, &source, &[], outputs).await.unwrap();
    let about: Vec<(&str, &str, bool)> = produced
        .iter()
        .map(|one| {
            let mime = &one.codec_mime;
            (one.codec.as_str(), mime.as_str(), one.segments.is_some())
        })
        .collect();
    for ((codec, mime, fragmented), expected) in about.into_iter().zip([
        ("hevc", "video/mp4; codecs=\"hvc1.1.6.L60.90\"", true),
        ("av1", "video/mp4; codecs=\"av01.0.00M.08\"", true),
        ("h264", "video/mp4; codecs=\"avc1.7a", false),
    ]) {
        assert_eq!((codec, fragmented), (expected.0, expected.2));
        assert!(mime.starts_with(expected.1), "{mime}");
    }
    assert!(produced[0].codec_description.contains("HEVC"));
    for one in &produced {
        assert_eq!(shown(&one.file), (0..60).collect::<Vec<_>>());
        let size = one.file.metadata().unwrap().len();
        assert_eq!(one.size_bytes, size);
        if one.segments.is_some() {
            check_fragments(one, 25);
        }
        check_times(&bench, &source, one).await;
    }
    let names: Vec<String> = mp4::file(&produced[2].file)
        .into_iter()
        .map(|part| part.name)
        .collect();
    assert_eq!(names, ["ftyp", "moov", "free", "mdat"]);
    assert!(!bench.path("flat.mp4.part").exists());
    // What cannot be made is said before anything is.
    for (wrong, word) in [
        (0_usize, "preset nonsense"),
        (1, "from 0 to 13"),
        (2, "there is no pixel format"),
    ] {
        let mut output = unwanted.remove(0);
        if let Output::Stream {
            preset,
            pixel_format,
            ..
        } = &mut output
        {
            if wrong == 2 {
                *pixel_format = "yuv9000p".into();
            } else {
                *preset = "nonsense".into();
            }
        }
        let refused = transcode(&bench, &source, &[], vec![output]).await;
        let Err(WorkerError::Invalid { message }) = refused else {
            panic!("{refused:?}");
        };
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn parts_of_a_source() {
    let bench = Bench::new();
    let source = bench.clip(
        "open.mp4",
        130,
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 3 \
         -x264-params open-gop=1:keyint=24:min-keyint=24:b-adapt=0:scenecut=0",
    );
    let outputs = vec![h264(bench.path("parts.mp4"), Some(120))];
    let ranges = [(70, 99), (100, 110), (5, 5), (20, 40)];
    let produced = transcode(&bench, &source, &ranges, outputs).await.unwrap();
    let expected: Vec<usize> = (70..=110).chain([5]).chain(20..=40).collect();
    assert_eq!(shown(&produced[0].file), expected);
    assert_eq!(produced[0].frames as usize, expected.len());
    check_fragments(&produced[0], 25);
    let out_of_range = [h264(bench.path("no.mp4"), None)];
    assert_eq!(
        transcode(&bench, &source, &[(100, 130)], out_of_range.to_vec()).await,
        Err(WorkerError::OutOfRange {
            frame: 130,
            count: 130
        })
    );
    assert!(!bench.path("no.mp4").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn odd_sources() {
    let bench = Bench::new();
    for (name, arguments) in [
        ("odd.mp4", "-vf scale=321:241 -c:v libx264 -pix_fmt yuv444p"),
        (
            "ten.mp4",
            "-c:v libx265 -x265-params log-level=none -pix_fmt yuv422p10le",
        ),
        ("alpha.mov", "-vf format=rgba -c:v qtrle"),
        ("gray.avi", "-c:v ffv1 -pix_fmt gray"),
        ("rgb.mkv", "-c:v ffv1 -pix_fmt gbrp"),
        ("full.mp4", "-c:v libx264 -pix_fmt yuvj420p"),
    ] {
        let source = bench.clip(name, 30, arguments);
        let outputs = vec![
            h264(bench.path(&format!("{name}.a.mp4")), None),
            h264(bench.path(&format!("{name}.b.mp4")), Some(100)),
        ];
        let produced = transcode(&bench, &source, &[], outputs).await;
        let produced = produced.unwrap_or_else(|error| panic!("{name}: {error}"));
        for one in &produced {
            assert_eq!(shown(&one.file), (0..30).collect::<Vec<_>>(), "{name}");
            assert_eq!((one.width % 2, one.height % 2), (0, 0), "{name}");
        }
    }
    // Smaller than the smallest size asked for: never scaled up.
    let tiny = bench.clip(
        "tiny.mp4",
        30,
        "-vf scale=32:18 -c:v libx264 -pix_fmt yuv420p",
    );
    let outputs = vec![h264(bench.path("tiny.out.mp4"), Some(144))];
    let produced = transcode(&bench, &tiny, &[], outputs).await.unwrap();
    assert_eq!((produced[0].width, produced[0].height), (32, 18));
    // Two files under one name, or the source itself, are refused.
    for file in [bench.path("same.mp4"), tiny.clone()] {
        let outputs = vec![h264(file.clone(), None), h264(file, Some(10))];
        let refused = transcode(&bench, &tiny, &[], outputs).await;
        assert!(matches!(refused, Err(WorkerError::Invalid { .. })));
    }
    assert!(tiny.metadata().unwrap().len() > 0);
}
