//! Several encoders make what one makes: the same frames, times and random access points.

mod support;

use std::path::{Path, PathBuf};

use support::{Bench, mp4, shown};
use transect_frame_client::{Flags, FrameIndex, Output, Produced, TranscodeRequest, VideoCodec};

const FRAMES: usize = 137;
const GOP: u32 = 10;
/// More never share a stream.
const MOST_ENCODERS: usize = 8;
/// x264 puts it before the first picture that an encoder makes.
const X264_SAYS: &[u8] = b"x264 - core";

fn stream(file: PathBuf, codec: VideoCodec, height: Option<u32>) -> Output {
    Output::Stream {
        file,
        codec,
        height,
        crf: 20,
        preset: "superfast".into(),
        tune: None,
        pixel_format: "yuv420p".into(),
        gop: GOP,
        fragmented: true,
    }
}

/// A clip of variable rate whose pictures come out of order.
async fn clip(bench: &Bench) -> PathBuf {
    let steady = bench.clip(
        "steady.mp4",
        FRAMES,
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2",
    );
    let after = "-vf setpts=PTS+3*N*N -fps_mode passthrough -enc_time_base 1:90000 -c:v libx264 \
                 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2";
    let source = bench.convert(&steady, "", after, "uneven.mp4");
    let index_file = source.with_extension("index");
    let index = bench.workers.index(&source, &index_file).await.unwrap();
    assert_eq!(index.frame_count(), FRAMES);
    source
}

async fn make(
    bench: &Bench,
    source: &Path,
    encoders: u32,
    ranges: &[(u64, u64)],
    outputs: Vec<Output>,
) -> Vec<Produced> {
    let request = TranscodeRequest {
        source: source.to_owned(),
        index_file: source.with_extension("index"),
        ranges: ranges.to_vec(),
        more: Vec::new(),
        outputs,
        encoders,
    };
    bench.workers.transcode(request, |_| {}).await.unwrap()
}

/// What must not depend on the number of encoders: for each frame its time, how long it stays, and whether decoding can start
/// there.
async fn facts(bench: &Bench, file: &Path) -> Vec<(i64, i64, bool)> {
    let index_file = file.with_extension("made");
    let index: FrameIndex = bench.workers.index(file, &index_file).await.unwrap();
    let frames = index.frames();
    frames
        .map(|frame| (frame.pts, frame.duration, frame.flags.contains(Flags::KEY)))
        .collect()
}

fn occurrences(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).filter(|part| *part == of).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn however_many_encoders_the_frames_are_the_same() {
    let bench = Bench::new();
    let source = clip(&bench).await;
    let expected: Vec<usize> = (0..FRAMES).collect();
    for codec in [VideoCodec::H264, VideoCodec::Av1] {
        let mut alone = None;
        for encoders in [1, 2, 3, 99] {
            let name = |part: &str| bench.path(&format!("{part}-{codec:?}-{encoders}.mp4"));
            let outputs = vec![
                stream(name("large"), codec, None),
                stream(name("small"), codec, Some(96)),
            ];
            let produced = make(&bench, &source, encoders, &[], outputs).await;
            for one in &produced {
                let name = one.file.display();
                assert_eq!(shown(&one.file), expected, "{name}");
                let moofs = mp4::file(&one.file);
                let moofs = moofs.iter().filter(|part| part.name == "moof");
                let samples: Vec<u64> =
                    moofs.map(|part| mp4::moof(&part.content).samples).collect();
                assert_eq!(samples.len(), FRAMES.div_ceil(GOP as usize), "{name}");
                assert!(samples[..13].iter().all(|&samples| samples == 10), "{name}");
                if codec == VideoCodec::H264 {
                    let bytes = std::fs::read(&one.file).unwrap();
                    let working = (encoders as usize).min(MOST_ENCODERS);
                    assert_eq!(occurrences(&bytes, X264_SAYS), working, "{name}");
                }
            }
            let mut found = Vec::new();
            for one in &produced {
                found.push(facts(&bench, &one.file).await);
            }
            let keys: Vec<bool> = found[0].iter().map(|&(_, _, key)| key).collect();
            let every_tenth: Vec<bool> = (0..FRAMES).map(|at| at.is_multiple_of(10)).collect();
            assert_eq!(keys, every_tenth, "{codec:?} {encoders}");
            assert_eq!(
                alone.get_or_insert_with(|| found.clone()),
                &found,
                "{codec:?} {encoders}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_same_encoders_make_the_same_bytes() {
    let bench = Bench::new();
    let source = clip(&bench).await;
    let mut first = None;
    for round in 0..3 {
        let file = bench.path(&format!("round-{round}.mp4"));
        make(
            &bench,
            &source,
            3,
            &[],
            vec![stream(file.clone(), VideoCodec::H264, None)],
        )
        .await;
        let bytes = std::fs::read(&file).unwrap();
        assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_some_encoders_left_others_continue() {
    let bench = Bench::new();
    let source = clip(&bench).await;
    // Frames that are not in their order in the source, and begin in the middle of groups.
    let ranges = [(60, 136), (3, 50)];
    let expected: Vec<usize> = (60..=136).chain(3..=50).collect();
    let file = bench.path("handed on.mp4");
    let outputs = || vec![stream(file.clone(), VideoCodec::H264, Some(144))];
    let whole = make(&bench, &source, 4, &ranges, outputs()).await;
    assert_eq!(shown(&file), expected);
    let bytes = std::fs::read(&file).unwrap();
    let times = facts(&bench, &file).await;
    let mdats: Vec<u64> = {
        let parts = mp4::file(&file);
        let mdats = parts.iter().filter(|part| part.name == "mdat");
        mdats.map(|part| part.offset + part.size).collect()
    };
    for (groups, torn, encoders) in [(1, 0, 3), (5, 7, 1), (8, 100, 4), (12, 0, 2)] {
        // As it would have been left by a kill while the next group was being written.
        let kept = mdats[groups - 1] as usize;
        std::fs::write(&file, &bytes[..kept + torn]).unwrap();
        let again = make(&bench, &source, encoders, &ranges, outputs()).await;
        assert_eq!(again[0].frames, whole[0].frames);
        assert_eq!(shown(&file), expected, "{groups} {encoders}");
        let continued = std::fs::read(&file).unwrap();
        assert!(
            continued[..kept] == bytes[..kept],
            "{groups} {encoders}: begun anew"
        );
        let _ = std::fs::remove_file(file.with_extension("made"));
        assert_eq!(facts(&bench, &file).await, times, "{groups} {encoders}");
    }
}
