//! Frame n is the n-th picture that a plain decode shows, whatever the container and codec do.

mod support;

use std::path::Path;

use support::{Bench, number_in, shown, shuffled};
use transect_frame_client::{FrameIndex, Kind, PictureRequest};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30";

/// Asks for random frames, steps and clusters, and checks the number in each, against what ffmpeg shows for the whole file.
/// Complaints go to `wrong`.
async fn check(bench: &Bench, path: &Path, wrong: &mut Vec<String>) -> Option<FrameIndex> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let index_file = path.with_extension("index");
    let index = match bench.workers.index(path, &index_file).await {
        Ok(index) => index,
        Err(error) => {
            wrong.push(error.to_string());
            return None;
        }
    };
    let expected = shown(path);
    let count = expected.len();
    if index.frame_count() != count {
        let packets = index.packet_count();
        wrong.push(format!(
            "{name}: {} frames of {packets} packets, not {count}",
            index.frame_count()
        ));
    }
    let frames: Vec<_> = index.frames().collect();
    if frames.windows(2).any(|pair| pair[0].pts >= pair[1].pts) {
        wrong.push(format!("{name}: time stamps do not rise"));
    }
    // Strides that are worked on ahead, and turns in the middle of them, before anything is in the cache.
    let mut wanted: Vec<usize> = (count / 4..count / 4 + 24).collect();
    wanted.extend((count / 4..count / 4 + 20).rev());
    wanted.extend((0..count).skip(count / 3).step_by(7).take(6));
    wanted.extend((0..count).rev().skip(count / 3).step_by(3).take(9));
    wanted.retain(|&frame| frame < count);
    wanted.extend(shuffled(count, 40));
    wanted.extend((0..count).rev().take(12));
    wanted.extend((0..count).take(6));
    wanted.extend(
        [
            count / 2,
            count / 2 + 15,
            count.max(30) / 2 - 15,
            count / 2 + 1,
            count - 1,
            0,
        ]
        .map(|at| at.min(count - 1)),
    );
    for frame in wanted {
        match bench
            .workers
            .picture(PictureRequest::jpg(path, &index_file, frame as u64))
            .await
        {
            Ok(picture) if number_in(&picture.bytes) == Some(expected[frame]) => {}
            Ok(picture) => wrong.push(format!(
                "{name}: frame {frame} shows {:?}, not {}",
                number_in(&picture.bytes),
                expected[frame]
            )),
            Err(error) => wrong.push(format!("{name}: frame {frame}: {error}")),
        }
    }
    wrong.extend(check_packets(bench, path, &index_file, &index).await);
    Some(index)
}

/// Checks that coded packets begin with random access and hold every frame asked for.
async fn check_packets(
    bench: &Bench,
    path: &Path,
    index_file: &Path,
    index: &FrameIndex,
) -> Option<String> {
    let count = index.frame_count() as u64;
    let (first, last) = (count / 3, (count / 3 + 20).min(count - 1));
    let answer = match bench.workers.packets(path, index_file, first, last).await {
        Ok(answer) => answer,
        Err(error) => return Some(error.to_string()),
    };
    let frames: Vec<i64> = answer.packets.iter().map(|packet| packet.frame).collect();
    let complete = (first..=last).all(|frame| frames.contains(&(frame as i64)));
    let same = (answer.coded_width, answer.coded_height, &answer.description)
        == (index.width, index.height, &index.description);
    let fine = complete && same && answer.packets[0].key;
    (!fine).then(|| {
        format!(
            "{}: packets {frames:?} from {first} to {last}",
            path.display()
        )
    })
}

/// Decodes coded packets of an H.264 clip with ffmpeg, as a client without the file would, and returns what they show.
async fn decode_packets(bench: &Bench, name: &str, first: u64, last: u64) -> Vec<usize> {
    let (path, index_file) = (
        bench.path(&format!("{name}.mp4")),
        bench.path(&format!("{name}.index")),
    );
    let answer = bench
        .workers
        .packets(&path, &index_file, first, last)
        .await
        .unwrap();
    let record = answer.description.unwrap();
    // avcC: one sequence and one picture parameter set, each behind its size, then packets of units behind theirs.
    let set_size = |at: usize| usize::from(record[at]) << 8 | usize::from(record[at + 1]);
    let sequence_end = 8 + set_size(6);
    let picture = &record[sequence_end + 3..][..set_size(sequence_end + 1)];
    let mut stream = [
        &[0, 0, 0, 1],
        &record[8..sequence_end],
        &[0, 0, 0, 1],
        picture,
    ]
    .concat();
    for packet in &answer.packets {
        let mut rest = &packet.bytes[..];
        while let Some((size, after)) = rest.split_first_chunk::<4>() {
            let (unit, after) = after.split_at(u32::from_be_bytes(*size) as usize);
            stream.extend([0, 0, 0, 1]);
            stream.extend(unit);
            rest = after;
        }
    }
    let file = bench.path("packets.h264");
    std::fs::write(&file, stream).unwrap();
    shown(&file)
}

fn none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn h264_in_mp4() {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    let plain = bench.clip("cfr.mp4", 150, &format!("{X264} -bf 2"));
    let index = check(&bench, &plain, &mut wrong).await.unwrap();
    assert_eq!(
        index.codec_string.as_deref().map(|text| &text[..5]),
        Some("avc1.")
    );
    assert!(index.description.is_some());
    assert_eq!(
        index.frame_rate.map(|rate| (rate.num, rate.den)),
        Some((30, 1))
    );
    let bytes = plain.with_extension("index").metadata().unwrap().len();
    assert!(bytes < 12 * 150 + 600, "{bytes} bytes of index");
    let cut = bench.convert(&plain, "-ss 1.234", "-c copy", "edit.mp4");
    let index = check(&bench, &cut, &mut wrong).await.unwrap();
    assert!(
        index.packet_count() > index.frame_count(),
        "an edit list hides packets"
    );
    for (name, more) in [
        (
            "pyramid.mp4",
            "-bf 5 -x264-params b-pyramid=normal:ref=4:b-adapt=0",
        ),
        (
            "open.mp4",
            "-bf 3 -x264-params open-gop=1:keyint=24:min-keyint=24:b-adapt=0:scenecut=0",
        ),
        (
            "fragmented.mp4",
            "-movflags frag_keyframe+empty_moov+default_base_moof",
        ),
        ("rate.mp4", "-r 60000/1001 -vf setpts=N/(60000/1001)/TB"),
        (
            "vfr.mp4",
            "-vf setpts=(N*3+mod(N*N\\,7)*0.3)/90/TB -fps_mode passthrough -enc_time_base 1:9000 -bf 2",
        ),
        ("offset.mp4", "-output_ts_offset 5.3"),
        ("b.mov", "-bf 2 -movflags +faststart"),
    ] {
        check(
            &bench,
            &bench.clip(name, 130, &format!("{X264} {more}")),
            &mut wrong,
        )
        .await;
    }
    let decoded = decode_packets(&bench, "cfr", 64, 88).await;
    assert_eq!(decoded, (60..=89).take(decoded.len()).collect::<Vec<_>>());
    assert!(decoded.contains(&64) && decoded.contains(&88));
    let open = FrameIndex::read(&bench.path("open.index")).unwrap();
    assert!(
        open.frames().any(|frame| frame.flags.0 & 2 != 0),
        "an open GOP has leading frames"
    );
    none(&wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_containers() {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    for (name, more) in [
        ("offset.mkv", "-bf 2 -output_ts_offset 5.3"),
        (
            "vfr.mkv",
            "-vf setpts=(N*3+mod(N*N\\,7)*0.3)/90/TB -fps_mode passthrough -bf 2",
        ),
        ("h264.avi", "-bf 2"),
        ("h264.ts", "-bf 2"),
        (
            "open.ts",
            "-bf 3 -x264-params open-gop=1:keyint=24:min-keyint=24:b-adapt=0:scenecut=0",
        ),
        ("h264.flv", "-bf 2"),
    ] {
        check(
            &bench,
            &bench.clip(name, 130, &format!("{X264} {more}")),
            &mut wrong,
        )
        .await;
    }
    let cut = bench.cut(&bench.path("open.ts"), 0.3, 1.0, "headless.ts");
    check(&bench, &cut, &mut wrong).await;
    let cut = bench.cut(&bench.path("h264.ts"), 0.0, 0.8, "truncated.ts");
    check(&bench, &cut, &mut wrong).await;
    // Two recordings behind one another: time starts again, and the size changes.
    let small = bench.convert(
        &bench.path("h264.ts"),
        "",
        "-vf scale=160:88 -c:v libx264 -g 30",
        "small.ts",
    );
    let joined = [&bench.path("h264.ts"), &small]
        .map(|path| std::fs::read(path).unwrap())
        .concat();
    std::fs::write(bench.path("joined.ts"), joined).unwrap();
    check(&bench, &bench.path("joined.ts"), &mut wrong).await;
    let front = bench.convert(
        &bench.path("h264.flv"),
        "",
        "-c copy -movflags +faststart",
        "front.mp4",
    );
    check(
        &bench,
        &bench.cut(&front, 0.0, 0.7, "truncated.mp4"),
        &mut wrong,
    )
    .await;
    check(
        &bench,
        &bench.cut(&bench.path("vfr.mkv"), 0.0, 0.77, "truncated.mkv"),
        &mut wrong,
    )
    .await;
    none(&wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_codecs() {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    for (name, arguments) in [
        (
            "hevc.mp4",
            "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -g 30 -x265-params log-level=none:bframes=3:open-gop=1",
        ),
        (
            "hevc10.mkv",
            "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10 -g 20 -x265-params log-level=none:bframes=2",
        ),
        (
            "vp9.webm",
            "-c:v libvpx-vp9 -pix_fmt yuv420p -deadline good -cpu-used 6 -auto-alt-ref 1 -lag-in-frames 16 -g 40 -b:v 300k",
        ),
        (
            "vp8.webm",
            "-c:v libvpx -pix_fmt yuv420p -deadline good -cpu-used 6 -auto-alt-ref 1 -lag-in-frames 16 -g 40 -b:v 300k",
        ),
        (
            "av1.mp4",
            "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p -g 32",
        ),
        (
            "av1.mkv",
            "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p -g 32",
        ),
        ("mpeg4.avi", "-c:v mpeg4 -bf 2 -g 20 -q:v 3"),
        ("mpeg4.mp4", "-c:v mpeg4 -bf 2 -g 20 -q:v 3"),
        ("mpeg2.ts", "-c:v mpeg2video -bf 2 -g 15 -q:v 3"),
        ("mpeg2.mpg", "-c:v mpeg2video -bf 2 -g 15 -q:v 3"),
        ("mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p -q:v 3"),
        ("prores.mov", "-c:v prores -profile:v 0 -pix_fmt yuv422p10"),
        ("moving.gif", "-frames:v 1"),
    ] {
        let index = check(&bench, &bench.clip(name, 100, arguments), &mut wrong)
            .await
            .unwrap();
        let browsers = ["h264", "hevc", "vp8", "vp9", "av1"].contains(&index.codec.as_str());
        assert_eq!(index.codec_string.is_some(), browsers, "{name}");
    }
    none(&wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn images() {
    let bench = Bench::new();
    for (name, arguments) in [
        ("still.jpg", "-frames:v 1 -q:v 2 -pix_fmt yuvj420p"),
        ("still.png", "-frames:v 1"),
        ("colour.png", "-frames:v 1 -pix_fmt rgba"),
        ("still.webp", "-frames:v 1 -quality 90"),
        (
            "still.avif",
            "-frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1",
        ),
        ("still.tiff", "-frames:v 1"),
        ("still.gif", "-frames:v 1"),
        ("still.bmp", "-frames:v 1"),
    ] {
        let path = bench.clip(name, 8, &format!("-vf select=eq(n\\,5) {arguments}"));
        let index_file = path.with_extension("index");
        let index = bench
            .workers
            .index(&path, &index_file)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (index.kind, index.frame_count(), index.width),
            (Kind::Image, 1, 320),
            "{name}"
        );
        let picture = bench
            .workers
            .picture(PictureRequest::jpg(&path, &index_file, 0))
            .await
            .unwrap();
        assert_eq!(number_in(&picture.bytes), Some(5), "{name}");
    }
}
