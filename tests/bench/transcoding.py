"""Making streaming renditions and copies of a video, against ffmpeg."""

import json
import os
import pathlib
import resource
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

import barcode
from clips import CLIP, make_clip
from measure import check, figure, median

HEIGHTS = [144, 360, 480, 720, 1080]
X264 = {"crf": 23, "preset": "fast", "tune": "fastdecode", "gop": 25}


def children_cpu_secs():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def worker(task):
    """Has a worker process do one task, as the station would; returns (answer, CPU seconds, wall seconds)."""
    binary = pathlib.Path(os.environ["TRANSECT_BIN"]).resolve().with_name("transect-frames")
    reach = [word for folder in sorted(folders_of(task)) for word in ("--write", folder)]
    cpu, wall = children_cpu_secs(), time.perf_counter()
    with subprocess.Popen([binary, "--cache-bytes", "0", *reach], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        header = json.dumps({"id": 1, "task": task}).encode()
        process.stdin.write(struct.pack("<II", len(header), 0) + header)
        process.stdin.flush()
        outcome = "progress"
        while outcome == "progress" or "advanced" in outcome:
            sizes = process.stdout.read(8)
            check(len(sizes) == 8, "the frame worker has died")
            size, body = struct.unpack("<II", sizes)
            outcome = json.loads(process.stdout.read(size))["outcome"]
            process.stdout.read(body)
        process.stdin.close()
    check("failed" not in outcome, outcome)
    return outcome, children_cpu_secs() - cpu, time.perf_counter() - wall


def folders_of(task):
    """The folders of all files that a task names."""
    if isinstance(task, str):
        return {os.path.dirname(task)} if os.path.isabs(task) else set()
    parts = task.values() if isinstance(task, dict) else task if isinstance(task, list) else []
    return set().union(*map(folders_of, parts))


def transcode_task(clip, outputs):
    return {"transcode": {"source": str(clip), "index_file": f"{clip}.index", "ranges": [], "outputs": outputs}}


def transcode_ours(clip, folder):
    outputs = [{"stream": {"file": f"{folder}/{height}.mp4", "codec": "h264", "height": height, "pixel_format": "yuv420p",
                           "fragmented": True, **X264}} for height in HEIGHTS]
    return worker(transcode_task(clip, outputs))[1:]


def transcode_ffmpeg(clip, folder):
    names = [f"s{height}" for height in HEIGHTS]
    split = f"[0:v]split={len(names)}" + "".join(f"[{name}]" for name in names)
    scale = ";".join(f"[{name}]scale=-2:{height}[o{name}]" for name, height in zip(names, HEIGHTS))
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(clip), "-filter_complex", f"{split};{scale}"]
    gop = str(X264["gop"])
    for name, height in zip(names, HEIGHTS):
        command += ["-map", f"[o{name}]", "-an", "-c:v", "libx264", "-preset", X264["preset"], "-tune", X264["tune"], "-crf",
                    str(X264["crf"]), "-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-movflags",
                    "frag_keyframe+empty_moov+default_base_moof", f"{folder}/{height}.mp4"]
    return spent(command)


def spent(command):
    """Runs a command; returns its CPU and wall seconds."""
    cpu, wall = children_cpu_secs(), time.perf_counter()
    subprocess.run(command, check=True)
    return children_cpu_secs() - cpu, time.perf_counter() - wall


def check_streams(folder, heights, frames):
    """Reads the bar code of every picture that ffmpeg decodes."""
    for height in heights:
        width = -(-height * 16 // 9 // 2) * 2
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", f"{folder}/{height}.mp4", "-fps_mode", "passthrough", "-f", "rawvideo",
                   "-pix_fmt", "gray", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as decoder:
            for number in range(frames):
                pixels = decoder.stdout.read(width * height)
                check(len(pixels) == width * height, f"{folder} ends at frame {number} at height {height}")
                seen = barcode.read_pixels(pixels, width, height)
                check(seen == number, f"frame {number} shows {seen} at height {height}")
            check(not decoder.stdout.read(1), f"{folder} has more frames")


def frames_of(arguments):
    return arguments.clip_secs * CLIP["rate"]


def indexed_clip(arguments, folder):
    """The clip that both parts measure on, with its index."""
    clip = folder / "transcoded.mp4"
    if not clip.exists():
        make_clip(clip, frames_of(arguments))
        worker({"index": {"source": str(clip), "index_file": f"{clip}.index"}})
    return clip


def transcode(arguments, dice, folder):
    clip = indexed_clip(arguments, folder)
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        turns = [(transcode_ours, ours), (transcode_ffmpeg, theirs)]
        dice.shuffle(turns)
        for make, results in turns:
            target = pathlib.Path(tempfile.mkdtemp(dir=folder))
            results.append(make(clip, target))
            if len(results) == 1:
                check_streams(target, HEIGHTS, frames_of(arguments))
            size = sum(path.stat().st_size for path in target.iterdir())
            shutil.rmtree(target)
            results[-1] = {"cpu": results[-1][0], "wall": results[-1][1], "bytes": size}
    mine, other = median(ours, "cpu"), median(theirs, "cpu")
    return {"transcode_cpu": figure(mine / other, "<= 1.05", transect_cpu_secs=mine, ffmpeg_cpu_secs=other,
                                    transect_wall_secs=median(ours, "wall"), ffmpeg_wall_secs=median(theirs, "wall"),
                                    transect_bytes=median(ours, "bytes"), ffmpeg_bytes=median(theirs, "bytes"), heights=HEIGHTS)}


def remux(arguments, _dice, folder):
    clip, target = indexed_clip(arguments, folder), pathlib.Path(tempfile.mkdtemp(dir=folder))
    against = transcode_ffmpeg(clip, target)[0]
    result = {}
    for name, fragmented in (("remux", False), ("remux_fragmented", True)):
        file = target / f"{name}.mp4"
        task = transcode_task(clip, [{"copy": {"file": str(file), "fragmented": fragmented}}])
        mine = statistics.median(worker(task)[1] for _ in range(arguments.rounds))
        flags = "frag_keyframe+empty_moov" if fragmented else "faststart"
        copy = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(clip), "-c", "copy", "-movflags", flags, str(target / "peer.mp4")]
        other = statistics.median(spent(copy)[0] for _ in range(arguments.rounds))
        result[f"{name}_cpu"] = figure(mine / against, "<= 0.05", transect_cpu_secs=mine, ffmpeg_transcode_cpu_secs=against,
                                       ffmpeg_copy_cpu_secs=other)
    shutil.rmtree(target)
    return result


PARTS = {"transcode": transcode, "remux": remux}
