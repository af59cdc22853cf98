import type { FrameTable } from './frameTable';
import { type CodecConfig, type PacketRun, parsePackets } from './packets';
import { type Picture, Ring } from './ring';
import type { MediaBytes, PictureSource, SourceEvents, Wanted } from './source';

const PICTURES_BYTES = 384 * 2 ** 20;
const PACKETS_BYTES = 64 * 2 ** 20;
const QUEUED = 6;
/** A decoder that was fed and gives nothing for so long is stuck (some hardware decoders stop when many pictures are held). */
const STUCK_MS = 6000;

/** Returns true when this browser can decode the codec here and now. WebCodecs is missing on plain http. */
export async function canDecode(codec: string | null | undefined, width: number, height: number): Promise<boolean> {
  if (!codec || typeof VideoDecoder === 'undefined') return false;
  try {
    const { supported } = await VideoDecoder.isConfigSupported({ codec, codedWidth: width, codedHeight: height });
    return supported === true;
  } catch {
    return false;
  }
}

/** One pass of the decoder through a segment. `given` holds the frames that came out. */
interface Run {
  segment: number;
  fed: number;
  /** The frame of the first packet. What the decoder shows before it lacks its references and is thrown away. */
  start: number;
  given: Set<number>;
  flushing: boolean;
  done: boolean;
  data: PacketRun;
}

/**
 * Pictures from the browser's decoder. The ordinal travels as the time stamp of the chunk and is read back from the
 * picture, so no arithmetic on times can shift it. Every segment is decoded from its own key frame.
 */
export class WebCodecsSource implements PictureSource {
  readonly kind = 'WebCodecs';
  #ring = new Ring(PICTURES_BYTES);
  #runs = new Map<number, PacketRun>();
  #packets_bytes = 0;
  #fetching: { segment: number; abort: AbortController } | undefined;
  #decoder: VideoDecoder | undefined;
  #config: CodecConfig | undefined;
  #run: Run | undefined;
  /** Frames that the decoder left out although it had all packets of their segment. */
  #absent = new Set<number>();
  #wanted: Wanted = { frame: 0, direction: 1, playing: false };
  #picture_bytes = 3 * 2 ** 20;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly table: FrameTable,
    private readonly bytes: MediaBytes,
    private readonly events: SourceEvents,
  ) {}

  want(wanted: Wanted): void {
    this.#wanted = wanted;
    if (this.#absent.has(wanted.frame)) return this.#fail(new Error(`the decoder did not give frame ${wanted.frame}`));
    this.#work();
  }

  get(frame: number): Picture | undefined {
    return this.#ring.get(frame);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#watchdog);
    this.#fetching?.abort.abort();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#ring.clear();
    this.#runs.clear();
  }

  /** The frames worth having now, most urgent first. */
  *#needed(): Generator<number> {
    const { frame, direction, playing } = this.#wanted;
    const room = this.#ring.capacity(this.#picture_bytes);
    const along = Math.min(playing ? 40 : 24, Math.floor(room * 0.6));
    const against = direction === -1 ? 4 : 0;
    for (let step = 0; step <= along; step++) yield frame + step * direction;
    for (let step = 1; step <= against; step++) yield frame - step * direction;
  }

  #firstMissing(): number | undefined {
    for (const frame of this.#needed()) {
      if (frame >= 0 && frame < this.table.count && !this.#ring.has(frame) && !this.#absent.has(frame)) return frame;
    }
    return undefined;
  }

  #work(): void {
    if (this.#closed) return;
    const missing = this.#firstMissing();
    if (missing === undefined) return this.#watch(false);
    const segment = this.table.segmentAt(missing);
    const data = this.#runs.get(segment);
    if (!data) return void this.#fetch(segment);

    const run = this.#run;
    const fits = run !== undefined && run.segment === segment && !run.done && !run.given.has(missing);
    if (!fits && !this.#begin(segment, data)) return;
    this.#feed();
    // While this segment is decoded, get the packets of the next one.
    const next = segment + this.#wanted.direction;
    if (this.table.segments[next] && !this.#runs.has(next) && !this.#fetching) void this.#fetch(next);
  }

  #begin(segment: number, data: PacketRun): boolean {
    try {
      if (!this.#decoder || this.#decoder.state === 'closed') this.#decoder = this.#newDecoder();
      const clean = this.#run === undefined || this.#run.done;
      if (!clean) this.#decoder.reset();
      if (!clean || this.#decoder.state === 'unconfigured' || !sameConfig(this.#config, data.config)) {
        this.#decoder.configure({ ...data.config, optimizeForLatency: false });
        this.#config = data.config;
      }
    } catch (error) {
      this.#fail(error);
      return false;
    }
    this.#run = { segment, fed: 0, start: data.packets[0]?.frame ?? 0, given: new Set(), flushing: false, done: false, data };
    return true;
  }

  #feed(): void {
    const run = this.#run;
    const decoder = this.#decoder;
    if (!run || !decoder || decoder.state !== 'configured' || run.flushing) return;
    const { packets } = run.data;
    try {
      while (run.fed < packets.length && decoder.decodeQueueSize < QUEUED) {
        const packet = packets[run.fed++]!;
        decoder.decode(
          new EncodedVideoChunk({ type: packet.key ? 'key' : 'delta', timestamp: packet.frame, data: packet.data as BufferSource }),
        );
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#watch(true);
    if (run.fed < packets.length) return;
    run.flushing = true;
    decoder.flush().then(
      () => {
        run.done = true;
        if (this.#run === run) this.#finished(run);
      },
      () => {
        // The run was reset in favour of another one.
      },
    );
  }

  #finished(run: Run): void {
    const { frame } = this.#wanted;
    const { first, last } = this.table.segments[run.segment]!;
    for (let ordinal = first; ordinal <= last; ordinal++) if (!run.given.has(ordinal)) this.#absent.add(ordinal);
    if (this.#absent.has(frame)) return this.#fail(new Error(`the decoder did not give frame ${frame}`));
    this.#work();
  }

  #newDecoder(): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => this.#output(frame),
      error: (error) => this.#fail(error),
    });
    // Reordering decoders take several packets before the first picture comes out.
    decoder.ondequeue = () => this.#work();
    return decoder;
  }

  #output(frame: VideoFrame): void {
    const ordinal = frame.timestamp;
    const run = this.#run;
    if (this.#closed || !run || ordinal < run.start || ordinal < 0) return frame.close();
    this.#watch(true);
    run.given.add(ordinal);
    const picture = pictureOf(frame);
    this.#picture_bytes = picture.size_bytes;
    this.#ring.put(ordinal, picture, this.#wanted.frame);
    if (this.#ring.has(ordinal)) this.events.onpicture(ordinal);
    // `#work` decides whether to go on: feeding stops by itself when nothing is missing.
    queueMicrotask(() => this.#work());
  }

  async #fetch(segment: number): Promise<void> {
    if (this.#fetching?.segment === segment) return;
    this.#fetching?.abort.abort();
    const fetching = { segment, abort: new AbortController() };
    this.#fetching = fetching;
    const { first, last } = this.table.segments[segment]!;
    try {
      const buffer = await this.bytes.packets(first, last, fetching.abort.signal);
      if (this.#closed) return;
      this.#keep(segment, parsePackets(buffer), buffer.byteLength);
    } catch (error) {
      if (fetching.abort.signal.aborted || this.#closed) return;
      this.#fetching = undefined;
      // The server answered, and it has no packets to give: pictures may still work.
      const status = (error as { status?: number }).status ?? 0;
      if (status === 400 || status === 404) return this.#fail(error);
      return this.events.ontrouble(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#fetching === fetching) this.#fetching = undefined;
    this.#work();
  }

  #keep(segment: number, run: PacketRun, size_bytes: number): void {
    this.#runs.set(segment, run);
    this.#packets_bytes += size_bytes;
    const here = this.table.segmentAt(this.#wanted.frame);
    while (this.#packets_bytes > PACKETS_BYTES && this.#runs.size > 2) {
      let farthest = segment;
      for (const candidate of this.#runs.keys()) {
        if (Math.abs(candidate - here) > Math.abs(farthest - here)) farthest = candidate;
      }
      if (farthest === segment) break;
      for (const packet of this.#runs.get(farthest)!.packets) this.#packets_bytes -= packet.data.byteLength;
      this.#runs.delete(farthest);
    }
  }

  #watch(busy: boolean): void {
    clearTimeout(this.#watchdog);
    if (!busy) return;
    this.#watchdog = setTimeout(() => {
      const idle = this.#ring.has(this.#wanted.frame) || document.hidden;
      if (!idle) this.#fail(new Error('the decoder stopped giving pictures'));
    }, STUCK_MS);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.close();
    this.events.onfailure(error instanceof Error ? error : new Error(String(error)));
  }
}

function sameConfig(a: CodecConfig | undefined, b: CodecConfig): boolean {
  if (a === undefined || a.codec !== b.codec || a.codedWidth !== b.codedWidth || a.codedHeight !== b.codedHeight) return false;
  const left = a.description ?? new Uint8Array();
  const right = b.description ?? new Uint8Array();
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function pictureOf(frame: VideoFrame): Picture {
  const { width, height } = frame.visibleRect ?? { width: frame.displayWidth, height: frame.displayHeight };
  let size_bytes: number;
  try {
    size_bytes = frame.allocationSize();
  } catch {
    size_bytes = width * height * 1.5;
  }
  return { source: frame, width, height, size_bytes, close: () => frame.close() };
}
