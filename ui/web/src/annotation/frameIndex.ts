import type { FrameIndex } from '../api/client';
import type { PlayerMedia } from '../player/player';

/** Returns what the player needs of a frame index that is ready. An image is a video of one frame. */
export function playerMedia(index: FrameIndex): PlayerMedia {
  const still = index.kind === 'image';
  return {
    num_frames: still ? 1 : (index.num_frames ?? index.pts?.length ?? 0),
    frame_rate: pair(index.frame_rate, [25, 1]),
    time_base: pair(index.time_base, [1, 1000]),
    start_pts: index.start_pts ?? index.pts?.[0] ?? 0,
    pts: index.pts ?? [],
    key_frames: index.key_frames ?? [],
    codec_string: still ? null : (index.codec_string ?? null),
    width: index.width ?? 0,
    height: index.height ?? 0,
    rotation: index.rotation ?? 0,
    mirrored: index.mirrored ?? false,
    pixel_aspect: pair(index.pixel_aspect, [1, 1]),
  };
}

/** Returns the value of a fraction. */
export function ratioOf([numerator, denominator]: [number, number]): number {
  return numerator / denominator;
}

function pair(value: number[] | null | undefined, otherwise: [number, number]): [number, number] {
  const [numerator, denominator] = value ?? [];
  return numerator !== undefined && denominator ? [numerator, denominator] : otherwise;
}
