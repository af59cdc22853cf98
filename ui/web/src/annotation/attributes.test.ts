import { describe, expect, it } from 'vitest';
import { type Attribute, check, defaultsOf, missingIn, shown } from './attributes';

const type = (dtype: Attribute['dtype'], rest: Partial<Attribute> = {}): Attribute => ({ name: 'A', dtype, ...rest });

describe('check', () => {
  it.each([
    [type('int'), '12', { value: 12 }],
    [type('int'), '1.5', { problem: 'Needs a whole number' }],
    [type('int', { minimum: 1 }), '0', { problem: 'At least 1' }],
    [type('float', { maximum: 2 }), '2.5', { problem: 'At most 2' }],
    [type('float'), '2,5', { value: 2.5 }],
    [type('float'), 'deep', { problem: 'Not a number' }],
    [type('enum', { choices: ['x', 'y'] }), 'x', { value: 'x' }],
    [type('enum', { choices: ['x', 'y'] }), 'z', { problem: 'Choose one of the list' }],
    [type('string'), ' as typed ', { value: ' as typed ' }],
    [type('string'), '', { value: null }],
    [type('string', { required: true }), ' ', { problem: 'A needs a value' }],
    [type('datetime'), '2026-11-20T10:00:00Z', { value: '2026-11-20T10:00:00.000Z' }],
    [type('datetime'), 'yesterday', { problem: 'Not a date and time' }],
    [type('geopos'), '54.1, 10.2', { value: [10.2, 54.1] }],
    [type('geopos'), '97, 10', { problem: 'Latitude is between -90 and 90' }],
    [type('float_array'), '1, 2 3', { value: [1, 2, 3] }],
  ] as const)('%j reads %j', (attribute, text, expected) => {
    expect(check(attribute as Attribute, text)).toEqual(expected);
  });
});

it('starts with defaults and the time, and says what is missing', () => {
  const types = [type('int', { name: 'Count', default: 1 }), type('datetime', { name: 'Seen', use_current: true }), type('string', { name: 'Species', required: true })];
  const attributes = defaultsOf(types, new Date('2026-01-02T03:04:05Z'));
  expect(attributes).toEqual({ Count: 1, Seen: '2026-01-02T03:04:05.000Z' });
  expect(missingIn(types, attributes)).toEqual(['Species']);
});

it('shows attributes in their order and leaves hidden ones out', () => {
  const types = [type('int', { name: 'c', order: 2 }), type('int', { name: 'hidden', order: -1 }), type('int', { name: 'a' }), type('int', { name: 'b' })];
  expect(shown(types).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});
