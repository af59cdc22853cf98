"""The clips that are measured on: bar-coded, so that every picture says its number."""

import subprocess

import corpus
from measure import check

CLIP = {"width": 1920, "height": 1080, "rate": 30, "frames": 600}


def make_clip(path, frames=CLIP["frames"]):
    """1080p30, closed groups of 30 with two B pictures, six megabits: what cameras write, with bar codes."""
    width, height = CLIP["width"], CLIP["height"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
               "-framerate", str(CLIP["rate"]), "-i", "-", "-vf", "noise=c0s=14:c0f=t:all_seed=3", "-c:v", "libx264", "-preset",
               "veryfast", "-b:v", "6M", "-g", "30", "-bf", "2", "-sc_threshold", "0", "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for number in range(frames):
            encoder.stdin.write(corpus.luma(number, width, height) + corpus.chroma(number, width, height))
        encoder.stdin.close()
    check(encoder.returncode == 0, "ffmpeg could not make the clip")
