import { expect, it } from 'vitest';
import { spelled } from './keys';

it.each([
  [{ key: 'b' }, 'B'],
  [{ key: 'ArrowRight', shiftKey: true }, 'Shift+→'],
  [{ key: 'z', ctrlKey: true }, 'Ctrl+Z'],
  [{ key: 'Z', metaKey: true, shiftKey: true }, 'Ctrl+Shift+Z'],
  [{ key: '?', shiftKey: true }, '?'],
  [{ key: ' ' }, 'Space'],
  [{ key: 'n', shiftKey: true }, 'Shift+N'],
])('spells %j as %s', (event, name) => {
  expect(spelled({ ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...event })).toBe(name);
});
