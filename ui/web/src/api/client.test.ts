import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
// @ts-expect-error a plain script without types
import { clientFrom } from '../../scripts/generate.mjs';
import schema from './schema.json';
import { address } from './transport';

it('is what the API description says; if not, run: npm run generate', () => {
  const committed = readFileSync(new URL('client.ts', import.meta.url), 'utf8');
  expect(committed === clientFrom(schema)).toBe(true);
});

it('joins lists by commas and leaves out what is not given', () => {
  expect(address('/rest/Medias/1', { media_id: [1, 2], name: undefined, search: 'a&b', start: 0 })).toBe('/rest/Medias/1?media_id=1%2C2&search=a%26b&start=0');
});
