/** What the player needs of a frame index. Frames count from zero in order of display. */
export interface FrameIndexData {
  num_frames: number;
  frame_rate: [number, number];
  time_base: [number, number];
  start_pts: number;
  pts: number[];
  key_frames: number[];
}

/** A stretch of frames that is fetched and decoded together; begins with a key frame. Both ends belong to it. */
export interface Segment {
  first: number;
  last: number;
}

/** Segments shorter than this are joined, so that all-intra video does not need a request per frame. */
const SHORTEST_SEGMENT = 24;

/** Times and key frames of a video, from its index: nothing here multiplies by a frame rate. */
export class FrameTable {
  readonly count: number;
  readonly segments: Segment[];
  readonly keyFrames: number[];
  readonly #seconds: Float64Array;
  readonly #duration_secs: number;

  constructor(index: FrameIndexData) {
    this.count = index.num_frames;
    const [numerator, denominator] = index.time_base;
    const unit = numerator / denominator;
    this.#seconds = new Float64Array(this.count);
    for (let frame = 0; frame < this.count; frame++) {
      this.#seconds[frame] = ((index.pts[frame] ?? 0) - index.start_pts) * unit;
    }
    const [rate, per] = index.frame_rate;
    const nominal_secs = rate > 0 ? per / rate : 0.04;
    this.#duration_secs = this.count > 0 ? this.#seconds[this.count - 1]! + nominal_secs : 0;
    this.keyFrames = index.key_frames.length > 0 ? index.key_frames : [0];
    this.segments = segmentsOf(this.keyFrames, this.count);
  }

  get duration_secs(): number {
    return this.#duration_secs;
  }

  /** Returns when a frame is shown, from the first frame on. */
  seconds(frame: number): number {
    return this.#seconds[frame] ?? 0;
  }

  /** Returns the frame that is on screen at a time: the last one that is not later. */
  frameAt(seconds: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#seconds[middle]! <= seconds + 1e-9) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** Returns the index of the segment that holds a frame. */
  segmentAt(frame: number): number {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle]!.first <= frame) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function segmentsOf(keyFrames: number[], count: number): Segment[] {
  const starts: number[] = [];
  for (const frame of keyFrames) {
    const previous = starts.at(-1);
    if (previous === undefined || frame - previous >= SHORTEST_SEGMENT) starts.push(frame);
  }
  if (starts[0] !== 0) starts.unshift(0);
  return starts.map((first, index) => ({ first, last: (starts[index + 1] ?? count) - 1 }));
}

/** Returns h:mm:ss.mmm, without the hours when there are none. */
export function clockText(seconds: number): string {
  const total_ms = Math.round(Math.max(0, seconds) * 1000);
  const ms = String(total_ms % 1000).padStart(3, '0');
  const secs = String(Math.floor(total_ms / 1000) % 60).padStart(2, '0');
  const minutes = Math.floor(total_ms / 60_000) % 60;
  const hours = Math.floor(total_ms / 3_600_000);
  if (hours === 0) return `${String(minutes).padStart(2, '0')}:${secs}.${ms}`;
  return `${hours}:${String(minutes).padStart(2, '0')}:${secs}.${ms}`;
}
