import type { FrameTable } from './frameTable';
import { type Picture, Ring } from './ring';
import type { MediaBytes, PictureSource, SourceEvents, Wanted } from './source';

const PICTURES_BYTES = 256 * 2 ** 20;
const PARALLEL = 4;

/**
 * Pictures that the server decodes: for browsers without the codec, and wherever WebCodecs is missing. Paused, a
 * picture comes at full size; playing, at the size of the window.
 */
export class PicturesSource implements PictureSource {
  readonly kind = 'pictures';
  #ring = new Ring(PICTURES_BYTES);
  #full = new Set<number>();
  #fetching = new Map<number, { abort: AbortController; full: boolean }>();
  #wanted: Wanted = { frame: 0, direction: 1, playing: false };
  #picture_bytes = 8 * 2 ** 20;
  #closed = false;

  constructor(
    private readonly table: FrameTable,
    private readonly bytes: MediaBytes,
    private readonly events: SourceEvents,
    /** Height of the window in device pixels. */
    private readonly window_px: () => number,
  ) {}

  want(wanted: Wanted): void {
    this.#wanted = wanted;
    const needed = new Set(this.#needed());
    for (const [frame, { abort }] of this.#fetching) {
      if (needed.has(frame)) continue;
      abort.abort();
      this.#fetching.delete(frame);
    }
    this.#work();
  }

  get(frame: number): Picture | undefined {
    return this.#ring.get(frame);
  }

  close(): void {
    this.#closed = true;
    for (const { abort } of this.#fetching.values()) abort.abort();
    this.#ring.clear();
  }

  #needed(): number[] {
    const { frame, direction, playing } = this.#wanted;
    const room = this.#ring.capacity(this.#picture_bytes);
    const along = Math.min(playing ? 16 : 3, Math.floor(room * 0.6));
    const frames: number[] = [];
    for (let step = 0; step <= along; step++) {
      const candidate = frame + step * direction;
      if (candidate >= 0 && candidate < this.table.count) frames.push(candidate);
    }
    return frames;
  }

  #work(): void {
    if (this.#closed) return;
    const full = !this.#wanted.playing;
    for (const frame of this.#needed()) {
      if (this.#fetching.size >= PARALLEL) return;
      if (this.#fetching.has(frame)) continue;
      // Neighbours of a paused frame may stay at window size until they are looked at.
      const enough = this.#ring.has(frame) && (this.#full.has(frame) || !full || frame !== this.#wanted.frame);
      if (!enough) void this.#fetch(frame, full);
    }
  }

  async #fetch(frame: number, full: boolean): Promise<void> {
    const abort = new AbortController();
    this.#fetching.set(frame, { abort, full });
    try {
      const options = full ? { quality: 95 } : { quality: 80, height: Math.max(240, Math.ceil(this.window_px() / 120) * 120) };
      const blob = await this.bytes.picture(frame, options, abort.signal);
      const bitmap = await createImageBitmap(blob);
      if (this.#closed || abort.signal.aborted) return bitmap.close();
      this.#fetching.delete(frame);
      const picture = pictureOf(bitmap);
      if (full) this.#full.add(frame);
      else this.#full.delete(frame);
      this.#picture_bytes = picture.size_bytes;
      this.#ring.put(frame, picture, this.#wanted.frame);
      if (this.#ring.has(frame)) this.events.onpicture(frame);
      this.#work();
    } catch (error) {
      if (abort.signal.aborted || this.#closed) return;
      this.#fetching.delete(frame);
      this.events.ontrouble(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function pictureOf(bitmap: ImageBitmap): Picture {
  const { width, height } = bitmap;
  return { source: bitmap, width, height, size_bytes: width * height * 4, close: () => bitmap.close() };
}
