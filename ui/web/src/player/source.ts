import type { Picture } from './ring';

export type Direction = 1 | -1;

/** Where the player is and where it goes. */
export interface Wanted {
  frame: number;
  direction: Direction;
  playing: boolean;
}

/** Gets pictures by frame number. Each answer is that very frame of the file. */
export interface PictureSource {
  readonly kind: 'WebCodecs' | 'pictures';
  /** Says which frame is needed now; the source works ahead from there. */
  want(wanted: Wanted): void;
  /** Returns the picture if it is there. It stays valid until the next call of `want`. */
  get(frame: number): Picture | undefined;
  close(): void;
}

export interface SourceEvents {
  onpicture(frame: number): void;
  /** The source cannot go on; the player takes another one. */
  onfailure(error: Error): void;
  /** The server could not be reached; the source tries again with the next `want`. */
  ontrouble(error: Error): void;
}

/** What the player asks of whoever holds the media. It knows no addresses. */
export interface MediaBytes {
  packets(first: number, last: number, signal: AbortSignal): Promise<ArrayBuffer>;
  picture(frame: number, options: { height?: number; quality: number }, signal: AbortSignal): Promise<Blob>;
}
