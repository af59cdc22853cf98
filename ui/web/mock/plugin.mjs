// A small imitation of the server, in memory, for work on the page without one. It knows what the page asks for and
// nothing more; tests run against the real server.
import { randomUUID } from 'node:crypto';
import { clips } from './clips.mjs';

/** The Vite plugin that answers the page's requests. Sign in with any name and the password "transect". */
export function mock() {
  return {
    name: 'transect-mock',
    configureServer(server) {
      const station = newStation(clips());
      server.middlewares.use((request, response, next) => {
        const url = new URL(request.url, 'http://mock');
        if (!/^\/(rest|accounts|check-login)(\/|$)/.test(url.pathname)) return next();
        const chunks = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
          try {
            answer(station, request, response, url, Buffer.concat(chunks).toString());
          } catch (error) {
            send(response, error.status ?? 500, { message: error.message, details: 'None', code: '', request_id: 'mock' });
          }
        });
      });
    },
  };
}

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function newStation(known) {
  const station = { clips: known, nextId: 100, user: undefined, projects: [], mediaTypes: [], types: [], versions: [], sections: [], media: [], rows: [] };
  const project = newProject(station, { name: 'Seamount survey 2026', summary: 'ROV dives on the northern flank, 400 to 1,200 m', organization: 1 });
  newProject(station, { name: 'Harbour trial', summary: '', organization: 1 });
  const video = add(station, station.mediaTypes, { project: project.id, name: 'Video', dtype: 'video', attribute_types: [], visible: true });
  const image = add(station, station.mediaTypes, { project: project.id, name: 'Image', dtype: 'image', attribute_types: [], visible: true });
  const media = [video.id, image.id];
  const species = ['Octopus', 'Sea lily', 'Brittle star', 'Sponge', 'Rattail'];
  const colours = ['#ff7a90', '#ffb454', '#c79bff', '#b7e36a', '#7cb7ff'];
  const color_map = { default: '#45d3c4', key: 'Species', map: Object.fromEntries(species.map((name, at) => [name, colours[at]])) };
  const attributes = [
    { name: 'Species', dtype: 'enum', choices: species, order: 0, required: true, description: 'What it is' },
    { name: 'Count', dtype: 'int', minimum: 1, maximum: 1000, default: 1, order: 1 },
    { name: 'Length (mm)', dtype: 'float', minimum: 0, order: 2 },
    { name: 'Voucher', dtype: 'bool', default: false, order: 3 },
    { name: 'Observed', dtype: 'datetime', order: 4 },
    { name: 'Note', dtype: 'string', style: 'long_string', order: 5 },
  ];
  const box = add(station, station.types, { project: project.id, name: 'Organism', dtype: 'box', media, line_width: 2, visible: true, drawable: true, color_map, attribute_types: attributes });
  const dot = add(station, station.types, { project: project.id, name: 'Sighting', dtype: 'dot', media, line_width: 2, visible: true, drawable: true, color_map, attribute_types: [{ ...attributes[0], required: false }] });
  add(station, station.types, { project: project.id, name: 'Measurement', dtype: 'line', media, line_width: 2, visible: true, drawable: true, color_map: { default: '#ffb454' }, attribute_types: [] });
  const poly = add(station, station.types, { project: project.id, name: 'Habitat', dtype: 'poly', media, line_width: 2, visible: true, drawable: true, color_map: { default: '#b7e36a' }, attribute_types: [{ name: 'Substrate', dtype: 'enum', choices: ['rock', 'sand', 'mud'], order: 0 }] });
  const dives = ['Dive 0412', 'Dive 0413', 'Stills'].map((name) => add(station, station.sections, { project: project.id, name, path: name.replaceAll(' ', '_'), dtype: 'folder', visible: true }));
  const names = Object.keys(known);
  for (let number = 0; number < 180; number++) {
    const still = number % 9 === 4;
    const clip = known[names[number % 3]];
    add(station, station.media, {
      project: project.id, clip: names[number % 3], still, broken: number === 7, indexing: number === 10, type: still ? image.id : video.id,
      name: still ? `still_${String(number).padStart(4, '0')}.jpg` : `dive_04${12 + (number % 2)}_cam1_${String(number).padStart(3, '0')}.mp4`,
      primary_section: still ? dives[2].id : dives[number % 2].id, created_datetime: now(), modified_datetime: now(), attributes: {}, archive_state: 'live',
      width: number === 7 || number === 10 ? null : clip.width, height: clip.height, codec: still ? 'mjpeg' : 'h264',
      fps: still ? null : clip.index.frame_rate[0] / clip.index.frame_rate[1], num_frames: number === 7 || number === 10 ? null : still ? 1 : clip.index.num_frames,
    });
  }
  const first = station.media[0];
  const version = station.versions.find((one) => one.project === project.id);
  const drawn = [
    [box, 0, { x: 0.2, y: 0.42, width: 0.16, height: 0.27 }, { Species: 'Octopus', Count: 1, Voucher: true }],
    [box, 0, { x: 0.56, y: 0.2, width: 0.1, height: 0.34 }, { Species: 'Sea lily', Count: 2 }],
    [box, 0, { x: 0.7, y: 0.62, width: 0.09, height: 0.12 }, { Species: 'Brittle star', Count: 7 }],
    [dot, 0, { x: 0.45, y: 0.72 }, { Species: 'Rattail' }],
    [poly, 0, { points: [[0.05, 0.8], [0.3, 0.74], [0.5, 0.83], [0.62, 0.97], [0.08, 0.97]] }, { Substrate: 'rock' }],
    ...[30, 31, 32, 90, 91, 180, 240, 330].map((frame) => [box, frame, { x: 0.2 + frame / 900, y: 0.4, width: 0.14, height: 0.24 }, { Species: 'Octopus', Count: 1 }]),
  ];
  for (const [type, frame, geometry, attributes] of drawn) newRow(station, { type: type.id, media_id: first.id, version: version.id, frame, attributes, ...geometry });
  const crowd = station.media[2];
  for (let number = 0; number < 10_000; number++) {
    newRow(station, { type: box.id, media_id: crowd.id, version: version.id, frame: 0, x: (number % 100) / 101, y: Math.floor(number / 100) / 101, width: 0.006, height: 0.006, attributes: { Species: species[number % 5] } });
  }
  return station;
}

function newProject(station, spec) {
  const project = add(station, station.projects, { enable_downloads: true, created: now(), permission: 'Creator', attribute_types: [], ...spec });
  add(station, station.versions, { project: project.id, name: 'Baseline', description: '', show_empty: true, bases: [], number: 0, elemental_id: randomUUID() });
  add(station, station.versions, { project: project.id, name: 'Second look', description: '', show_empty: true, bases: [], number: 1, elemental_id: randomUUID() });
  return project;
}

function add(station, list, row) {
  const added = { id: station.nextId++, elemental_id: randomUUID(), ...row };
  list.push(added);
  return added;
}

/** Adds a revision; one with the same version and elemental id becomes the next mark. */
function newRow(station, spec, latest) {
  const { media_id, ...rest } = spec;
  const elemental_id = rest.elemental_id ?? randomUUID();
  const before = latest ?? latestOf(station, rest.version, elemental_id);
  const type = station.types.find(({ id }) => id === rest.type) ?? before;
  for (const { name, required, default: fallback } of type?.attribute_types ?? []) {
    if (required && fallback === undefined && rest.attributes?.[name] == null) throw new Refused(400, `Attribute ${name} is required`);
  }
  const row = {
    id: station.nextId++, project: station.media.find(({ id }) => id === (media_id ?? before?.media))?.project, media: media_id, x: null, y: null, width: null, height: null, u: null, v: null, points: null,
    ...before, ...rest, attributes: { ...before?.attributes, ...rest.attributes }, elemental_id, mark: before ? before.mark + 1 : 0, variant_deleted: false, modified_datetime: now(),
  };
  row.id = station.nextId++;
  if (before) before.old = true;
  row.old = false;
  station.rows.push(row);
  return row;
}

const latestOf = (station, version, elementalId) => station.rows.find((row) => row.version === version && row.elemental_id === elementalId && !row.old);
const now = () => new Date().toISOString();

function answer(station, request, response, url, text) {
  const [, root, noun, id, more] = url.pathname.split('/');
  const { method } = request;
  const query = Object.fromEntries(url.searchParams);
  const body = text && request.headers['content-type']?.includes('json') ? JSON.parse(text) : undefined;
  const number = Number(id);
  const signedIn = /transect=1/.test(request.headers.cookie ?? '');
  if (root === 'check-login') return send(response, 200, { is_authenticated: signedIn }, { 'Set-Cookie': 'csrftoken=mock; Path=/' });
  if (root === 'accounts' && noun === 'login') {
    const form = new URLSearchParams(text);
    if (form.get('password') !== 'transect') throw new Refused(400, 'The user name or the password is wrong');
    station.user = form.get('username');
    return send(response, 200, {}, { 'Set-Cookie': 'transect=1; Path=/' });
  }
  if (root === 'accounts') return send(response, 200, {}, { 'Set-Cookie': 'transect=; Path=/; Max-Age=0' });
  if (!signedIn) throw new Refused(403, 'Authentication credentials were not provided.');
  if (method !== 'GET' && request.headers['x-csrftoken'] !== 'mock') throw new Refused(403, 'CSRF Failed: CSRF token missing or incorrect.');

  const media = () => filtered(station, number, query);
  const found = (list, what) => list.find((one) => one.id === number) ?? refuse(404, `No ${what} matches the given query.`);
  const ofProject = (list) => list.filter(({ project }) => project === number);
  const make = (list) => {
    const { media_types, ...spec } = body;
    const row = add(station, list, { visible: true, drawable: true, attribute_types: [], media: media_types, ...spec, project: number });
    return [201, { message: 'Created', id: row.id, object: row }];
  };
  const routes = {
    'GET User': () => [200, { id: 1, username: station.user ?? 'ada', first_name: 'Ada', last_name: 'Marin', email: 'ada@example.org', is_staff: true }],
    'GET Organizations': () => [200, [{ id: 1, name: 'Coast lab', permission: 'Admin' }]],
    'GET Projects': () => [200, station.projects],
    'POST Projects': () => {
      const project = newProject(station, body);
      return [201, { message: 'Project created', id: project.id, object: project }];
    },
    'GET Project': () => [200, found(station.projects, 'Project')],
    'GET Memberships': () => [200, [{ id: 1, project: number, user: 1, username: 'ada', permission: 'Full Control', default_version: null }]],
    'GET Versions': () => [200, ofProject(station.versions)],
    'GET Sections': () => [200, ofProject(station.sections)],
    'GET MediaTypes': () => [200, ofProject(station.mediaTypes)],
    'POST MediaTypes': () => make(station.mediaTypes),
    'GET LocalizationTypes': () => [200, ofProject(station.types)],
    'POST LocalizationTypes': () => make(station.types),
    'GET MediaCount': () => [200, media().length],
    'GET Medias': () => [200, media().slice(Number(query.start ?? 0), query.stop ? Number(query.stop) : undefined).map(wire)],
    'GET Media': () => [200, wire(found(station.media, 'Media'))],
    'GET MediaNext': () => [200, { next: neighbour(station, number, query, 1) }],
    'GET MediaPrev': () => [200, { prev: neighbour(station, number, query, -1) }],
    'GET Localizations': () => [200, station.rows.filter((row) => !row.old && !row.variant_deleted && row.media === Number(query.media_id) && (!query.version || row.version === Number(query.version)))],
    'POST Localizations': () => {
      const rows = [body].flat().map((spec) => newRow(station, spec));
      return [201, { message: `Successfully created ${rows.length} localizations!`, id: rows.map((row) => row.id), object: rows }];
    },
    'PATCH Localization': () => {
      const row = found(station.rows, 'Localization');
      const { null_attributes = [], ...change } = body;
      const latest = latestOf(station, row.version, row.elemental_id);
      const changed = newRow(station, { ...change, version: row.version, elemental_id: row.elemental_id }, latest);
      for (const name of null_attributes) changed.attributes[name] = null;
      return [200, { message: 'Localization successfully updated!', object: changed }];
    },
    'DELETE Localization': () => {
      const row = found(station.rows, 'Localization');
      latestOf(station, row.version, row.elemental_id).variant_deleted = true;
      return [200, { message: 'Localization successfully deleted!', id: row.id }];
    },
    'GET FrameIndex': () => [200, indexOf(station, found(station.media, 'Media'))],
  };
  if (noun === 'FramePackets') {
    const bytes = station.clips[found(station.media, 'Media').clip].packetsFor(Number(query.first), Number(query.last));
    return response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(bytes);
  }
  if (noun === 'FramePicture') {
    const bytes = station.clips[found(station.media, 'Media').clip].picture(Number(more), Number(query.height) || undefined);
    return response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Cache-Control': 'max-age=31536000, immutable' }).end(bytes);
  }
  const route = routes[`${method} ${noun}`] ?? refuse(404, `the mock does not know ${method} ${noun}`);
  const [status, value] = route();
  send(response, status, value);
}

function filtered(station, project, { section, encoded_search }) {
  const text = encoded_search ? JSON.parse(Buffer.from(encoded_search, 'base64').toString()).operations[0].value.toLowerCase() : '';
  return station.media.filter((one) => one.project === project && (!section || one.primary_section === Number(section)) && one.name.toLowerCase().includes(text));
}

function neighbour(station, id, query, step) {
  const list = filtered(station, station.media.find((one) => one.id === id).project, query);
  return list[list.findIndex((one) => one.id === id) + step]?.id ?? -1;
}

function wire({ clip, still, broken, indexing, ...media }) {
  const thumbnail = broken || indexing ? [] : [{ path: `/rest/FramePicture/${media.id}/0?height=180`, resolution: [180, 320] }];
  return { ...media, media_files: { thumbnail } };
}

function indexOf(station, media) {
  if (media.broken) return { media: media.id, kind: 'video', state: 'failed', message: 'no moov atom: the recording was cut off before the camera could close the file', pts: [], key_frames: [] };
  if (media.indexing) return { media: media.id, kind: 'video', state: 'indexing', message: 'Reading packets, 34 %', pts: [], key_frames: [] };
  const { index } = station.clips[media.clip];
  if (media.still) return { ...index, media: media.id, kind: 'image', num_frames: 1, pts: [0], key_frames: [0], codec_string: null };
  return { ...index, media: media.id };
}

function refuse(status, message) {
  throw new Refused(status, message);
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value));
}
