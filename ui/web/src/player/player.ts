import { FrameTable, type FrameIndexData } from './frameTable';
import { PicturesSource } from './pictures';
import type { Picture } from './ring';
import type { Direction, MediaBytes, PictureSource, SourceEvents } from './source';
import { canDecode, WebCodecsSource } from './webcodecs';

export interface PlayerMedia extends FrameIndexData {
  codec_string: string | null;
  width: number;
  height: number;
  /** Degrees clockwise that turn a decoded picture upright. Pictures from the server are upright already. */
  rotation: number;
  /** Decoded pictures are mirrored left to right, before they are turned. */
  mirrored: boolean;
  /** Width of a pixel over its height, in the upright picture. */
  pixel_aspect: [number, number];
}

/** How a picture becomes upright: mirrored left to right first, then turned clockwise by so many degrees. */
export interface Turn {
  mirrored: boolean;
  rotation: number;
}

const UPRIGHT: Turn = { mirrored: false, rotation: 0 };

export interface PlayerEvents {
  /** Draws a picture. The player calls it for the frame that is to be seen now, and says then that it is. */
  draw(picture: Picture, turn: Turn): void;
  /** `frame` is the one that was drawn. */
  onframe(frame: number): void;
  onplaying(playing: boolean): void;
  onwaiting(waiting: boolean): void;
  onsource(kind: PictureSource['kind'], reason: string): void;
  ontrouble(error: Error | null): void;
}

const WAITING_AFTER_MS = 180;
const RETRY_MS = 2000;

/** Steps, seeks and plays a video by frame number. The frame it reports is always the one that was drawn. */
export class Player {
  readonly table: FrameTable;
  #source: PictureSource | undefined;
  #target = 0;
  #drawn = -1;
  #direction: Direction = 1;
  #playing = false;
  #rate = 1;
  #clock = { at_ms: 0, seconds: 0 };
  #raf = 0;
  #waitTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly media: PlayerMedia,
    private readonly bytes: MediaBytes,
    private readonly events: PlayerEvents,
    private readonly window_px: () => number,
  ) {
    this.table = new FrameTable(media);
  }

  /** The frame that is on screen, -1 before the first. */
  get frame(): number {
    return this.#drawn;
  }

  get playing(): boolean {
    return this.#playing;
  }

  get rate(): number {
    return this.#rate;
  }

  /** Chooses where pictures come from, then shows the first one. */
  async open(frame: number, serverPictures: boolean): Promise<void> {
    this.#target = this.#within(frame);
    const { codec_string, width, height } = this.media;
    if (serverPictures) this.#usePictures('as asked for in the address');
    else if (typeof VideoDecoder === 'undefined') this.#usePictures('this browser has no WebCodecs here (it needs https or localhost)');
    else if (!codec_string) this.#usePictures('this codec has no name in WebCodecs');
    else if (await canDecode(codec_string, width, height)) this.#useWebCodecs();
    else this.#usePictures(`this browser does not decode ${codec_string}`);
    if (!this.#closed) this.#request();
  }

  /** Shows a frame as soon as it is there. */
  seek(frame: number): void {
    const target = this.#within(frame);
    if (target !== this.#target) this.#direction = target > this.#target ? 1 : -1;
    this.#target = target;
    if (this.#playing) this.#setClock(target);
    this.#request();
  }

  /** Moves from the frame that was asked for last, so that quick presses add up. */
  step(frames: number): void {
    this.pause();
    this.seek(this.#target + frames);
  }

  /** True when the last frame asked for is on screen. */
  get settled(): boolean {
    return this.#drawn === this.#target;
  }

  play(): void {
    if (this.#playing || this.table.count < 2) return;
    if (this.#target >= this.table.count - 1) this.#target = 0;
    this.#playing = true;
    this.#direction = 1;
    this.#setClock(this.#target);
    this.events.onplaying(true);
    this.#request();
    this.#raf = requestAnimationFrame(this.#tick);
  }

  pause(): void {
    if (!this.#playing) return;
    this.#playing = false;
    cancelAnimationFrame(this.#raf);
    if (this.#drawn >= 0) this.#target = this.#drawn;
    this.events.onplaying(false);
    this.#request();
  }

  setRate(rate: number): void {
    this.#rate = rate;
    this.#setClock(this.#target);
  }

  /** Draws the frame on screen again, for instance after the window changed its size. */
  redraw(): void {
    const picture = this.#drawn >= 0 ? this.#source?.get(this.#drawn) : undefined;
    if (picture) this.events.draw(picture, this.#turn());
  }

  close(): void {
    this.#closed = true;
    cancelAnimationFrame(this.#raf);
    clearTimeout(this.#waitTimer);
    clearTimeout(this.#retryTimer);
    this.#source?.close();
  }

  #request(): void {
    this.#source?.want({ frame: this.#target, direction: this.#direction, playing: this.#playing });
    this.#show();
  }

  /** Draws the target if it is there; says that it waits if that takes long. */
  #show(): void {
    const picture = this.#source?.get(this.#target);
    if (picture) {
      this.events.draw(picture, this.#turn());
      this.#drawn = this.#target;
      this.#waiting(false);
      this.events.onframe(this.#drawn);
    } else {
      this.#waiting(true);
    }
  }

  #tick = (now_ms: number): void => {
    if (!this.#playing) return;
    if (this.#drawn !== this.#target) {
      // A jump is under way: the clock waits for its picture.
      if (this.#source?.get(this.#target)) this.#show();
      this.#setClock(this.#target);
      this.#raf = requestAnimationFrame(this.#tick);
      return;
    }
    const seconds = this.#clock.seconds + ((now_ms - this.#clock.at_ms) / 1000) * this.#rate;
    const due = this.table.frameAt(seconds);
    const ready = this.#lastReady(due);
    if (ready !== undefined && ready !== this.#drawn) {
      this.#target = ready;
      this.#request();
    } else if (ready === undefined) {
      // Nothing to show yet: hold the clock, so that playing goes on from here.
      this.#clock = { at_ms: now_ms, seconds: this.table.seconds(this.#target) };
      this.#waiting(true);
    }
    if (this.#drawn >= this.table.count - 1) return this.pause();
    this.#raf = requestAnimationFrame(this.#tick);
  };

  /** The latest frame that is due and there. Holds at the frame on screen until its successor is there. */
  #lastReady(due: number): number | undefined {
    for (let frame = due; frame > this.#drawn; frame--) {
      if (this.#source?.get(frame)) return frame;
    }
    return due > this.#drawn ? undefined : this.#drawn;
  }

  #setClock(frame: number): void {
    this.#clock = { at_ms: performance.now(), seconds: this.table.seconds(frame) };
  }

  #waiting(waiting: boolean): void {
    if (!waiting) {
      clearTimeout(this.#waitTimer);
      this.#waitTimer = undefined;
      this.events.onwaiting(false);
    } else if (this.#waitTimer === undefined) {
      this.#waitTimer = setTimeout(() => this.events.onwaiting(true), WAITING_AFTER_MS);
    }
  }

  #useWebCodecs(): void {
    this.#source = new WebCodecsSource(this.table, this.bytes, this.#sourceEvents());
    this.events.onsource('WebCodecs', 'decoded in this browser from the packets of the file');
  }

  #usePictures(reason: string): void {
    if (this.#closed) return;
    this.#source = new PicturesSource(this.table, this.bytes, this.#sourceEvents(), this.window_px);
    this.events.onsource('pictures', `decoded by the server: ${reason}`);
  }

  #sourceEvents(): SourceEvents {
    return {
      onpicture: (frame) => {
        this.events.ontrouble(null);
        if (frame !== this.#target) return;
        if (frame === this.#drawn) this.redraw();
        else if (!this.#playing || this.#drawn < 0) this.#show();
      },
      onfailure: (error) => {
        if (this.#closed) return;
        this.#usePictures(error.message.replace(/\.$/, ''));
        this.#request();
      },
      ontrouble: (error) => {
        if (this.#closed) return;
        this.events.ontrouble(error);
        clearTimeout(this.#retryTimer);
        this.#retryTimer = setTimeout(() => this.#request(), RETRY_MS);
      },
    };
  }

  #turn(): Turn {
    return this.#source?.kind === 'WebCodecs' ? this.media : UPRIGHT;
  }

  #within(frame: number): number {
    return Math.min(Math.max(0, Math.round(frame) || 0), Math.max(0, this.table.count - 1));
  }
}
