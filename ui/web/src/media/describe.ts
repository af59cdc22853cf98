import type { Media } from '../api/client';

const CODECS: Record<string, string> = {
  h264: 'H.264', avc1: 'H.264', hevc: 'HEVC', h265: 'HEVC', vp8: 'VP8', vp9: 'VP9', av1: 'AV1', mpeg4: 'MPEG-4', mpeg2video: 'MPEG-2',
  mjpeg: 'MJPEG', prores: 'ProRes', png: 'PNG', webp: 'WebP', ffv1: 'FFV1',
};

/** Returns the name of a codec as people write it. */
export function codecName(codec: string | null | undefined): string {
  if (!codec) return '';
  return CODECS[codec.toLowerCase()] ?? codec.toUpperCase();
}

/** Returns frames per second without needless digits. */
export function rateText(rate: number | null | undefined): string {
  return rate ? `${Number(rate.toFixed(2))} fps` : '';
}

export function durationText(seconds: number): string {
  const total = Math.round(seconds);
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (parts[0] === 0) return `${parts[1]}:${String(parts[2]).padStart(2, '0')}`;
  return `${parts[0]}:${String(parts[1]).padStart(2, '0')}:${String(parts[2]).padStart(2, '0')}`;
}

/** Returns the address of a small picture, or nothing when the server gave none. */
export function thumbnailOf(media: Media): string | undefined {
  const path = media.media_files?.thumbnail?.[0]?.path;
  return path && /^(https?:|\/)/.test(path) ? path : undefined;
}
