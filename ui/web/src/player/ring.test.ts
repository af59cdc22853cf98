import { expect, it } from 'vitest';
import { type Picture, Ring } from './ring';

function pictures() {
  const open = new Set<number>();
  const make = (frame: number, size_bytes = 10): Picture => {
    open.add(frame);
    return { source: {} as CanvasImageSource, width: 1, height: 1, size_bytes, close: () => open.delete(frame) };
  };
  return { open, make };
}

it('closes what lies farthest from the wanted frame', () => {
  const { open, make } = pictures();
  const ring = new Ring(30);
  for (const frame of [1, 2, 3, 4]) ring.put(frame, make(frame), 3);
  expect([...open]).toEqual([2, 3, 4]);
  expect(ring.size_bytes).toBe(30);
  ring.put(9, make(9), 8);
  expect([...open]).toEqual([3, 4, 9]);
});

it('closes a picture that is replaced, and all in the end', () => {
  const { open, make } = pictures();
  const ring = new Ring(100);
  ring.put(1, make(1), 1);
  ring.put(2, make(2), 1);
  ring.put(1, make(1), 1);
  expect(ring.count).toBe(2);
  ring.clear();
  expect(open.size).toBe(0);
  expect(ring.size_bytes).toBe(0);
});
