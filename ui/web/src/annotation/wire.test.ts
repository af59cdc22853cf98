import { expect, it } from 'vitest';
import type { Localization } from '../api/client';
import type { Annotation } from './types';
import { annotationFrom, specOf, updateOf } from './wire';

const box: Annotation = {
  version: 2, elementalId: 'e', type: 5, frame: 9, shape: { kind: 'box', x: 0.1, y: 0.2, width: 0.3, height: 0.4 }, attributes: { Species: 'cod', Count: 2, Note: null },
};

it('creates with only the geometry and attributes that are there', () => {
  expect(specOf(box, 7)).toEqual({
    type: 5, media_id: 7, version: 2, frame: 9, elemental_id: 'e', attributes: { Species: 'cod', Count: 2 }, x: 0.1, y: 0.2, width: 0.3, height: 0.4,
  });
});

it('updates only what differs', () => {
  expect(updateOf(box, { ...box })).toBeUndefined();
  expect(updateOf(box, { ...box, attributes: { ...box.attributes, Count: 3, Species: null } })).toEqual({ attributes: { Count: 3 }, null_attributes: ['Species'] });
  expect(updateOf(box, { ...box, shape: { ...box.shape, x: 0.2 } as Annotation['shape'] })).toEqual({ x: 0.2, y: 0.2, width: 0.3, height: 0.4 });
});

it('reads rows back, and leaves out those without geometry', () => {
  const row = { id: 1, elemental_id: 'e', version: 2, type: 5, frame: 9, x: 0.5, y: 0.5, width: null, height: null, u: -0.1, v: 0.2, points: null, attributes: {} } as unknown as Localization;
  expect(annotationFrom(row, 'line')?.shape).toEqual({ kind: 'line', x: 0.5, y: 0.5, u: -0.1, v: 0.2 });
  expect(annotationFrom({ ...row, x: null } as unknown as Localization, 'line')).toBeUndefined();
  expect(annotationFrom(row, 'poly')).toBeUndefined();
});
