/** Every address of the page. */
export type Route =
  | { name: 'sign-in'; next: string }
  | { name: 'projects' }
  | { name: 'project'; project: number; section: number | null; search: string }
  | { name: 'media'; project: number; media: number; frame: number; version: number | null; selected: string | null; serverPictures: boolean; section: number | null; search: string }
  | { name: 'unknown' };

/** Returns the route of a path and query. */
export function routeOf(path: string, query: string): Route {
  const parameters = new URLSearchParams(query);
  const parts = path.split('/').filter(Boolean);
  const library = { section: idFrom(parameters.get('section')), search: parameters.get('search') ?? '' };
  if (parts.length === 0) return { name: 'projects' };
  if (parts[0] === 'sign-in' && parts.length === 1) return { name: 'sign-in', next: localPath(parameters.get('next')) };
  const project = idFrom(parts[1]);
  if (parts[0] !== 'project' || project === null) return { name: 'unknown' };
  if (parts.length === 2) return { name: 'project', project, ...library };
  const media = idFrom(parts[3]);
  if (parts.length !== 4 || parts[2] !== 'media' || media === null) return { name: 'unknown' };
  return {
    name: 'media',
    project,
    media,
    frame: idFrom(parameters.get('frame')) ?? 0,
    version: idFrom(parameters.get('version')),
    selected: parameters.get('selected'),
    serverPictures: parameters.get('player') === 'pictures',
    ...library,
  };
}

export const projectsPath = (): string => '/';

export function signInPath(next: string): string {
  return next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`;
}

export function projectPath(project: number, query: { section?: number | null; search?: string } = {}): string {
  return withQuery(`/project/${project}`, query);
}

export interface MediaQuery {
  frame?: number;
  version?: number | null;
  selected?: string | null;
  player?: 'pictures' | null;
  section?: number | null;
  search?: string;
}

export function mediaPath(project: number, media: number, query: MediaQuery = {}): string {
  return withQuery(`/project/${project}/media/${media}`, { ...query });
}

function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

function idFrom(text: string | null | undefined): number | null {
  return text && /^\d+$/.test(text) ? Number(text) : null;
}

/** Only paths of this site: a link must not be able to send people elsewhere after signing in. */
function localPath(path: string | null): string {
  return path && /^\/(?![/\\])/.test(path) ? path : '/';
}
