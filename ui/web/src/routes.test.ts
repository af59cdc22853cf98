import { expect, it } from 'vitest';
import { mediaPath, projectPath, routeOf, signInPath } from './routes';

const parse = (path: string) => {
  const [before, query = ''] = path.split('?');
  return routeOf(before!, query);
};

it('reads back what it writes', () => {
  expect(parse(projectPath(4, { section: 9, search: 'cam 1' }))).toEqual({ name: 'project', project: 4, section: 9, search: 'cam 1' });
  expect(parse(mediaPath(4, 5, { frame: 0, version: 2, selected: 'e-1', player: 'pictures' }))).toEqual({
    name: 'media', project: 4, media: 5, frame: 0, version: 2, selected: 'e-1', serverPictures: true, section: null, search: '',
  });
});

it.each(['/project', '/project/x', '/project/1/media', '/project/1/media/-2', '/nowhere'])('knows no page at %s', (path) => {
  expect(parse(path)).toEqual({ name: 'unknown' });
});

it('returns after signing in, but never to another site', () => {
  expect(parse(signInPath('/project/4?section=1'))).toEqual({ name: 'sign-in', next: '/project/4?section=1' });
  for (const next of ['https://evil.example', '//evil.example', '/\\evil.example']) {
    expect(routeOf('/sign-in', `next=${encodeURIComponent(next)}`)).toEqual({ name: 'sign-in', next: '/' });
  }
});
