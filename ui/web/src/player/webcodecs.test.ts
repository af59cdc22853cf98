import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FrameTable } from './frameTable';
import { WebCodecsSource } from './webcodecs';

/** Frames in decoding order, as an encoder with two B pictures writes them: 0 3 1 2 6 4 5 … with a key every 12. */
function decodingOrder(first: number, last: number): { frame: number; key: boolean }[] {
  const order: { frame: number; key: boolean }[] = [];
  for (let key = first; key <= last; key += 12) {
    order.push({ frame: key, key: true });
    for (let anchor = key + 3; anchor < key + 12; anchor += 3) order.push(...[anchor, anchor - 2, anchor - 1].map((frame) => ({ frame, key: false })));
    order.push(...[key + 10, key + 11].map((frame) => ({ frame, key: false })));
  }
  return order;
}

function packets(first: number, last: number): ArrayBuffer {
  const order = decodingOrder(first - (first % 12), last);
  const header = new TextEncoder().encode(JSON.stringify({ config: { codec: 'fake', codedWidth: 8, codedHeight: 8, description: null }, packets: order.map((packet) => ({ ...packet, size: 1 })) }));
  const bytes = new Uint8Array(4 + header.length + order.length);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  return bytes.buffer;
}

const open = new Set<object>();
let withhold = new Set<number>();

/** Gives pictures in order of display, three packets late, like a decoder that reorders. */
class FakeDecoder {
  state = 'unconfigured';
  decodeQueueSize = 0;
  ondequeue: (() => void) | null = null;
  #held: number[] = [];
  #needsKey = true;
  #generation = 0;
  constructor(private readonly init: { output: (frame: unknown) => void; error: (error: Error) => void }) {}
  configure() {
    this.state = 'configured';
    this.#needsKey = true;
  }
  reset() {
    this.state = 'unconfigured';
    this.#held = [];
    this.#generation++;
    this.decodeQueueSize = 0;
  }
  close() {
    this.reset();
    this.state = 'closed';
  }
  decode(chunk: { type: string; timestamp: number }) {
    if (this.#needsKey && chunk.type !== 'key') throw new Error('a key frame is required');
    this.#needsKey = false;
    this.decodeQueueSize++;
    const generation = this.#generation;
    queueMicrotask(() => {
      if (generation !== this.#generation) return;
      this.decodeQueueSize--;
      this.#held.push(chunk.timestamp);
      if (this.#held.length > 3) this.#give();
      this.ondequeue?.();
    });
  }
  flush() {
    const generation = this.#generation;
    this.#needsKey = true;
    return new Promise<void>((resolve, reject) =>
      setTimeout(() => {
        if (generation !== this.#generation) return reject(new Error('reset'));
        while (this.#held.length > 0) this.#give();
        resolve();
      }),
    );
  }
  #give() {
    const timestamp = Math.min(...this.#held);
    this.#held = this.#held.filter((one) => one !== timestamp);
    if (withhold.has(timestamp)) return;
    const frame = { timestamp, displayWidth: 8, displayHeight: 8, allocationSize: () => 96, close: () => open.delete(frame) };
    open.add(frame);
    this.init.output(frame);
  }
}

function setUp() {
  const pts = Array.from({ length: 96 }, (_, frame) => frame * 40);
  const key_frames = pts.map((_, frame) => frame).filter((frame) => frame % 12 === 0);
  const table = new FrameTable({ num_frames: 96, frame_rate: [25, 1], time_base: [1, 1000], start_pts: 0, pts, key_frames });
  const asked: string[] = [];
  const failures: string[] = [];
  const troubles: string[] = [];
  const bytes = {
    packets: async (first: number, last: number) => {
      asked.push(`${first}-${last}`);
      return packets(first, last);
    },
    picture: () => Promise.reject(new Error('not asked for')),
  };
  const source = new WebCodecsSource(table, bytes, {
    onpicture: () => undefined,
    onfailure: (error) => failures.push(error.message),
    ontrouble: (error) => troubles.push(error.message),
  });
  return { source, asked, failures, troubles, bytes };
}

/** Waits until a frame is there, then checks that it is the frame it says. */
async function shown(source: WebCodecsSource, frame: number, direction: 1 | -1 = 1) {
  source.want({ frame, direction, playing: false });
  await vi.waitFor(() => expect(source.get(frame)).toBeDefined());
  expect((source.get(frame)!.source as unknown as { timestamp: number }).timestamp).toBe(frame);
}

beforeEach(() => {
  withhold = new Set();
  open.clear();
  vi.stubGlobal('VideoDecoder', FakeDecoder);
  vi.stubGlobal('EncodedVideoChunk', class {
    constructor(init: object) {
      Object.assign(this, init);
    }
  });
  vi.stubGlobal('document', { hidden: false });
});
afterEach(() => vi.unstubAllGlobals());

it('gives the frame that was asked for, forwards, backwards and anywhere', async () => {
  const { source, failures } = setUp();
  for (let frame = 0; frame < 40; frame++) await shown(source, frame);
  for (let frame = 39; frame >= 20; frame--) await shown(source, frame, -1);
  for (const frame of [95, 0, 47, 48, 24, 23, 71, 95]) await shown(source, frame);
  expect(failures).toEqual([]);
  source.close();
  expect(open.size).toBe(0);
});

it('asks for every segment once while its packets are kept', async () => {
  const { source, asked } = setUp();
  for (const frame of [0, 30, 60, 90, 5, 35]) await shown(source, frame);
  expect([...asked].sort()).toEqual([...new Set(asked)].sort());
  source.close();
});

it('fails, so that the player can change over, when the decoder leaves the frame out', async () => {
  const { source, failures } = setUp();
  withhold = new Set([30]);
  await shown(source, 29);
  source.want({ frame: 30, direction: 1, playing: false });
  await vi.waitFor(() => expect(failures).toEqual(['the decoder did not give frame 30']));
  expect(open.size).toBe(0);
});

it('tells a server that is away from one that has no packets', async () => {
  const away = setUp();
  away.bytes.packets = () => Promise.reject(new Error('no answer'));
  away.source.want({ frame: 0, direction: 1, playing: false });
  await vi.waitFor(() => expect(away.troubles).toEqual(['no answer']));
  expect(away.failures).toEqual([]);

  const without = setUp();
  without.bytes.packets = () => Promise.reject(Object.assign(new Error('no packets for this codec'), { status: 400 }));
  without.source.want({ frame: 0, direction: 1, playing: false });
  await vi.waitFor(() => expect(without.failures).toEqual(['no packets for this codec']));
});
