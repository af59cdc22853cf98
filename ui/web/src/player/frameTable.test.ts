import { describe, expect, it } from 'vitest';
import { clockText, FrameTable } from './frameTable';

const table = (pts: number[], key_frames: number[]) => new FrameTable({ num_frames: pts.length, frame_rate: [25, 1], time_base: [1, 1000], start_pts: pts[0]!, pts, key_frames });

describe('frames and times', () => {
  // Variable rate, starting late.
  const variable = table([500, 540, 700, 710, 1500], [0]);

  it('shows a frame until the next one is due', () => {
    expect([-1, 0, 0.039, 0.04, 0.199, 0.2, 0.21, 0.999, 1, 60].map((seconds) => variable.frameAt(seconds))).toEqual([0, 0, 0, 1, 1, 2, 3, 3, 4, 4]);
  });

  it('finds every frame by its own time', () => {
    for (let frame = 0; frame < variable.count; frame++) expect(variable.frameAt(variable.seconds(frame))).toBe(frame);
  });
});

describe('segments', () => {
  it('begin with key frames and cover everything once', () => {
    const pts = Array.from({ length: 100 }, (_, frame) => frame * 40);
    expect(table(pts, [0, 48, 96]).segments).toEqual([{ first: 0, last: 47 }, { first: 48, last: 95 }, { first: 96, last: 99 }]);
  });

  it('join key frames that follow closely', () => {
    const pts = Array.from({ length: 60 }, (_, frame) => frame * 40);
    const allKeys = table(pts, pts.map((_, frame) => frame));
    expect(allKeys.segments).toEqual([{ first: 0, last: 23 }, { first: 24, last: 47 }, { first: 48, last: 59 }]);
    expect(allKeys.segmentAt(23)).toBe(0);
    expect(allKeys.segmentAt(24)).toBe(1);
    expect(allKeys.segmentAt(59)).toBe(2);
  });
});

it.each([[0, '00:00.000'], [61.0405, '01:01.041'], [3661.5, '1:01:01.500']])('writes %d s as %s', (seconds, text) => {
  expect(clockText(seconds)).toBe(text);
});
