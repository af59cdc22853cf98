// Makes the clips of the mock with ffmpeg, once, and reads what the frame service would know of them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../node_modules/.cache/transect-mock/', import.meta.url));

// The frame number is painted in twice: as digits for people, as a row of black and white squares for programs.
const NUMBER = [
  ...Array.from({ length: 10 }, (_, bit) => {
    const lit = `gte(mod(n,${2 ** (bit + 1)}),${2 ** bit})`;
    return `drawbox=x=${bit * 16}:y=0:w=16:h=16:color=black:t=fill,drawbox=x=${bit * 16}:y=0:w=16:h=16:color=white:t=fill:enable='${lit}'`;
  }),
  "drawtext=text='%{n}':x=w-tw-28:y=h-th-22:fontsize=44:fontcolor=white@0.85",
].join(',');

const CLIPS = {
  seabed: {
    input: 'gradients=s=1280x720:r=25:d=16:c0=0x06222e:c1=0x0c4a55:c2=0x14706d:c3=0x0a2f44:n=4:speed=0.012',
    filter: `noise=alls=9:allf=t,${NUMBER}`,
    codec: ['-c:v', 'libx264', '-preset', 'fast', '-crf', '24', '-bf', '3', '-g', '48', '-pix_fmt', 'yuv420p'],
  },
  // Frames are missing here and there, as in recordings of a loaded machine: fps says nothing about times.
  variable: {
    input: 'testsrc2=s=960x540:r=30:d=12',
    filter: `select='gt(mod(n,7),1)',${NUMBER}`,
    codec: ['-c:v', 'libx264', '-preset', 'fast', '-crf', '24', '-bf', '2', '-g', '60', '-pix_fmt', 'yuv420p', '-fps_mode', 'vfr'],
  },
  fractal: {
    input: 'mandelbrot=s=1280x720:r=24:end_scale=0.002:start_scale=2',
    filter: NUMBER,
    codec: ['-t', '8', '-c:v', 'libx264', '-preset', 'fast', '-crf', '24', '-g', '24', '-pix_fmt', 'yuv420p'],
  },
};

/** Returns the clips by name: {file, width, height, index, packets, picture(frame, height)}. */
export function clips() {
  mkdirSync(FOLDER, { recursive: true });
  return Object.fromEntries(Object.entries(CLIPS).map(([name, recipe]) => [name, read(name, recipe)]));
}

function read(name, { input, filter, codec }) {
  const file = `${FOLDER}${name}.mp4`;
  if (!existsSync(file)) run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', input, '-vf', filter, ...codec, '-an', file]);
  const probe = JSON.parse(run('ffprobe', ['-v', 'error', '-select_streams', 'v', '-show_streams', '-show_packets', '-of', 'json', file]));
  const stream = probe.streams[0];
  const bytes = readFileSync(file);
  const description = boxBody(bytes, 'avcC');
  const pts = probe.packets.map((packet) => Number(packet.pts)).sort((a, b) => a - b);
  const ordinal = new Map(pts.map((value, frame) => [value, frame]));
  const packets = probe.packets.map((packet) => ({
    frame: ordinal.get(Number(packet.pts)),
    key: packet.flags.startsWith('K'),
    data: bytes.subarray(Number(packet.pos), Number(packet.pos) + Number(packet.size)),
  }));
  const codecString = `avc1.${description.subarray(1, 4).toString('hex')}`;
  const index = {
    kind: 'video', state: 'ready', message: '', num_frames: pts.length, frame_rate: stream.avg_frame_rate.split('/').map(Number),
    time_base: stream.time_base.split('/').map(Number), start_pts: pts[0], width: stream.width, height: stream.height, rotation: 0, mirrored: false, pixel_aspect: [1, 1],
    codec: 'h264', codec_string: codecString, fingerprint: name, pts, key_frames: packets.filter(({ key }) => key).map(({ frame }) => frame).sort((a, b) => a - b),
  };
  return { file, width: stream.width, height: stream.height, index, packetsFor: (first, last) => answer(index, packets, codecString, description, first, last), picture: pictures(name, file) };
}

/** The answer of FramePackets: from the key frame at or before `first` on, all that `last` needs. */
function answer(index, packets, codec, description, first, last) {
  const start = packets.findLastIndex(({ key, frame }) => key && frame <= first);
  const end = Math.max(...packets.map(({ frame }, position) => (frame >= first && frame <= last ? position : 0)));
  const run = packets.slice(start, end + 1);
  const header = Buffer.from(JSON.stringify({
    config: { codec, codedWidth: index.width, codedHeight: index.height, description: description.toString('base64') },
    packets: run.map(({ frame, key, data }) => ({ frame, key, size: data.length })),
  }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...run.map(({ data }) => data)]);
}

function pictures(name, file) {
  return (frame, height) => {
    const size = height ? Math.min(height, 720) : 720;
    const folder = `${FOLDER}${name}-${size}/`;
    if (!existsSync(folder)) {
      mkdirSync(folder, { recursive: true });
      run('ffmpeg', ['-v', 'error', '-i', file, '-vf', `scale=-2:'min(${size},ih)'`, '-fps_mode', 'passthrough', '-start_number', '0', '-q:v', '3', `${folder}%d.jpg`]);
    }
    return readFileSync(`${folder}${frame}.jpg`);
  };
}

function boxBody(bytes, type) {
  const at = bytes.indexOf(type, 0, 'latin1');
  return bytes.subarray(at + 4, at - 4 + bytes.readUInt32BE(at - 4));
}

function run(program, args) {
  return execFileSync(program, args, { maxBuffer: 64 * 2 ** 20 });
}
