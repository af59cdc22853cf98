import { describe, expect, it } from 'vitest';
import { parsePackets } from './packets';

function message(packets: { frame: number; key: boolean; size: number }[], payload: number[]): ArrayBuffer {
  const header = new TextEncoder().encode(JSON.stringify({ config: { codec: 'avc1.64001f', codedWidth: 64, codedHeight: 48, description: btoa('\x01\xff') }, packets }));
  const bytes = new Uint8Array(4 + header.length + payload.length);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  bytes.set(payload, 4 + header.length);
  return bytes.buffer;
}

describe('parsePackets', () => {
  it('cuts the bytes by the table, in the order of decoding', () => {
    const run = parsePackets(message([{ frame: 0, key: true, size: 2 }, { frame: 3, key: false, size: 1 }, { frame: -1, key: false, size: 0 }], [10, 11, 12]));
    expect(run.config).toEqual({ codec: 'avc1.64001f', codedWidth: 64, codedHeight: 48, description: new Uint8Array([1, 255]) });
    expect(run.packets.map(({ frame, key, data }) => [frame, key, [...data]])).toEqual([[0, true, [10, 11]], [3, false, [12]], [-1, false, []]]);
  });

  it.each([
    ['nothing', new ArrayBuffer(0)],
    ['a cut table', message([], []).slice(0, 20)],
    ['cut packets', message([{ frame: 0, key: true, size: 9 }], [1, 2])],
  ])('refuses %s', (_, buffer) => {
    expect(() => parsePackets(buffer)).toThrow('cut short');
  });
});
