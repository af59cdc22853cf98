import { describe, expect, it } from 'vitest';
import { boundsOf, boxBetween, dragged, handleAt, lineBetween, moved, pick, touches } from './geometry';
import type { Annotation, Shape } from './types';

const extent = { width_ui: 1000, height_ui: 500 };

function annotation(elementalId: string, shape: Shape): Annotation {
  return { version: 1, elementalId, type: 1, frame: 0, shape, attributes: {} };
}

describe('shapes from drags', () => {
  it('makes a proper box whichever way it is drawn', () => {
    const box = { kind: 'box', x: 0.25, y: 0.25, width: 0.5, height: 0.25 };
    expect(boxBetween([0.25, 0.25], [0.75, 0.5])).toEqual(box);
    expect(boxBetween([0.75, 0.5], [0.25, 0.25])).toEqual(box);
    expect(boxBetween([0.75, 0.25], [0.25, 0.5])).toEqual(box);
  });

  it('stops at the edges of the picture', () => {
    expect(boxBetween([-0.5, -2], [0.5, 3])).toEqual({ kind: 'box', x: 0, y: 0, width: 0.5, height: 1 });
    expect(lineBetween([0.5, 0.5], [2, -1])).toEqual({ kind: 'line', x: 0.5, y: 0.5, u: 0.5, v: -0.5 });
  });
});

describe('moved', () => {
  const shapes: Shape[] = [
    { kind: 'box', x: 0.25, y: 0.25, width: 0.25, height: 0.25 },
    { kind: 'line', x: 0.5, y: 0.5, u: -0.25, v: 0.25 },
    { kind: 'dot', x: 0.25, y: 0.75 },
    { kind: 'poly', points: [[0.25, 0.25], [0.5, 0.25], [0.5, 0.5]] },
  ];

  it.each(shapes)('keeps the size of a $kind and stays in the picture', (shape) => {
    for (const [dx, dy] of [[0.125, -0.125], [9, 9], [-9, 9]] as const) {
      const before = boundsOf(shape);
      const after = boundsOf(moved(shape, dx, dy));
      expect(after.right - after.left).toBeCloseTo(before.right - before.left, 12);
      expect(after.bottom - after.top).toBeCloseTo(before.bottom - before.top, 12);
      expect(Math.min(after.left, after.top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(after.right, after.bottom)).toBeLessThanOrEqual(1);
    }
  });
});

describe('handles', () => {
  const box: Shape = { kind: 'box', x: 0.25, y: 0.25, width: 0.5, height: 0.5 };

  it('resizes by a side and by a corner', () => {
    expect(dragged(box, 'e', [0.875, 0])).toEqual({ ...box, width: 0.625 });
    expect(dragged(box, 'nw', [0.125, 0.5])).toEqual({ kind: 'box', x: 0.125, y: 0.5, width: 0.625, height: 0.25 });
  });

  it('turns a box inside out without negative sizes', () => {
    expect(dragged(box, 'w', [1, 0.5])).toEqual({ kind: 'box', x: 0.75, y: 0.25, width: 0.25, height: 0.5 });
  });

  it('moves one vertex of a polygon', () => {
    const poly: Shape = { kind: 'poly', points: [[0, 0], [0.5, 0], [0.5, 0.5]] };
    expect(dragged(poly, '1', [0.75, 0.25])).toEqual({ kind: 'poly', points: [[0, 0], [0.75, 0.25], [0.5, 0.5]] });
  });

  it('finds the nearest within reach on screen', () => {
    expect(handleAt(box, [0.251, 0.252], extent, 8)?.id).toBe('nw');
    expect(handleAt(box, [0.3, 0.3], extent, 8)).toBeUndefined();
  });
});

describe('pick', () => {
  const large = annotation('large', { kind: 'box', x: 0, y: 0, width: 1, height: 1 });
  const small = annotation('small', { kind: 'box', x: 0.4, y: 0.4, width: 0.1, height: 0.1 });
  const line = annotation('line', { kind: 'line', x: 0.1, y: 0.9, u: 0.8, v: 0 });
  const poly = annotation('poly', { kind: 'poly', points: [[0.6, 0.1], [0.9, 0.1], [0.9, 0.4]] });

  it.each([
    ['the smaller of two', [0.45, 0.45], 'small'],
    ['what is around when nothing smaller is there', [0.2, 0.2], 'large'],
    ['a line by nearness', [0.5, 0.905], 'line'],
    ['a polygon by its inside', [0.85, 0.2], 'poly'],
    ['not the corner that a polygon leaves out', [0.65, 0.35], 'large'],
  ] as const)('takes %s', (_, point, expected) => {
    expect(pick([large, small, line, poly], [point[0], point[1]], extent)?.elementalId).toBe(expected);
  });

  it('takes nothing beside everything', () => {
    expect(pick([small, line, poly], [0.05, 0.05], extent)).toBeUndefined();
  });

  it('measures nearness on screen, not in shares of the picture', () => {
    const upright: Shape = { kind: 'line', x: 0.5, y: 0, u: 0, v: 1 };
    expect(touches(upright, [0.505, 0.5], extent, 6)).toBe(true);
    expect(touches(upright, [0.505, 0.5], { width_ui: 4000, height_ui: 2000 }, 6)).toBe(false);
  });
});
