import { describe, expect, it } from 'vitest';
import { SaveQueue, type Sender } from './saveQueue';
import type { Annotation } from './types';

const PLACE = { project: 1, media: 7 };

function dot(elementalId: string, x: number): Annotation {
  return { version: 3, elementalId, type: 1, frame: 0, shape: { kind: 'dot', x, y: 0 }, attributes: {} };
}

class MemoryStorage {
  items = new Map<string, string>();
  get length() {
    return this.items.size;
  }
  key(index: number) {
    return [...this.items.keys()][index] ?? null;
  }
  getItem(name: string) {
    return this.items.get(name) ?? null;
  }
  setItem(name: string, value: string) {
    this.items.set(name, value);
  }
  removeItem(name: string) {
    this.items.delete(name);
  }
}

/** A server that notes what it is told, and that can be away, refuse, or lose its answers. */
class Server implements Sender {
  log: string[] = [];
  away = false;
  losing = false;
  refuses = (_: Annotation) => false;
  #nextId = 100;

  #answer<T>(entry: string, value: T): T {
    if (this.away) throw Object.assign(new Error('the server does not answer'), { retry: true });
    this.log.push(entry);
    if (this.losing) throw Object.assign(new Error('the server does not answer'), { retry: true });
    return value;
  }

  async create(_: number, items: { annotation: Annotation; media: number }[]) {
    if (!this.away && items.some(({ annotation }) => this.refuses(annotation))) throw Object.assign(new Error('refused'), { retry: false });
    return this.#answer(`create ${items.map(({ annotation }) => annotation.elementalId).join(' ')}`, items.map(() => this.#nextId++));
  }

  async update(rowId: number, before: Annotation, after: Annotation) {
    return this.#answer(`update ${rowId} ${(before.shape as { x: number }).x}→${(after.shape as { x: number }).x}`, this.#nextId++);
  }

  async remove(rowId: number) {
    this.#answer(`remove ${rowId}`, undefined);
  }
}

class Timers {
  waiting: { run: () => void; delay_ms: number }[] = [];
  set(run: () => void, delay_ms: number) {
    const timer = { run, delay_ms };
    this.waiting.push(timer);
    return timer;
  }
  clear(timer: unknown) {
    this.waiting = this.waiting.filter((one) => one !== timer);
  }
  fire() {
    const [next] = this.waiting.splice(0, 1);
    next?.run();
    return next?.delay_ms;
  }
}

function setUp(storage = new MemoryStorage()) {
  const server = new Server();
  const timers = new Timers();
  const queue = new SaveQueue(server, storage, 'unsaved.', timers);
  return { server, timers, storage, queue };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

describe('sending', () => {
  it('creates, updates with the row of the creation, and removes', async () => {
    const { server, queue, storage } = setUp();
    queue.put(PLACE, null, dot('a', 0));
    await settle();
    queue.put(PLACE, dot('a', 0), dot('a', 1));
    await settle();
    queue.put(PLACE, dot('a', 1), null);
    await settle();
    expect(server.log).toEqual(['create a', 'update 100 0→1', 'remove 101']);
    expect(queue.status.waiting).toBe(0);
    expect(storage.length).toBe(0);
  });

  it('joins edits made while one is on its way', async () => {
    const { server, queue } = setUp();
    queue.put(PLACE, null, dot('a', 0));
    queue.put(PLACE, dot('a', 0), dot('a', 0.5));
    queue.put(PLACE, dot('a', 0.5), dot('a', 1));
    await settle();
    expect(server.log).toEqual(['create a', 'update 100 0→1']);
  });

  it('restores what was deleted under the same identity', async () => {
    const { server, queue } = setUp();
    queue.learn('3/a', 50);
    queue.put(PLACE, dot('a', 0), null);
    await settle();
    queue.put(PLACE, null, dot('a', 0));
    await settle();
    expect(server.log).toEqual(['remove 50', 'create a']);
  });

  it('sends nothing when an edit is taken back in time', async () => {
    const { server, queue } = setUp();
    server.away = true;
    queue.learn('3/a', 50);
    queue.put(PLACE, dot('a', 0), dot('a', 1));
    await settle();
    queue.put(PLACE, dot('a', 1), dot('a', 0));
    server.away = false;
    queue.retry();
    await settle();
    expect(server.log).toEqual([]);
    expect(queue.status.waiting).toBe(0);
  });
});

describe('when the server is away', () => {
  it('keeps everything, tries again later and later, and catches up in one request', async () => {
    const { server, timers, queue } = setUp();
    server.away = true;
    queue.put(PLACE, null, dot('a', 0));
    await settle();
    queue.put(PLACE, null, dot('b', 0));
    await settle();
    expect(queue.status).toMatchObject({ waiting: 2, problem: 'the server does not answer' });
    expect(timers.fire()).toBeGreaterThanOrEqual(1000);
    await settle();
    server.away = false;
    timers.fire();
    await settle();
    expect(server.log).toEqual(['create a b']);
    expect(queue.status).toMatchObject({ waiting: 0, problem: null });
  });

  it('loses nothing when the tab is closed', async () => {
    const before = setUp();
    before.server.away = true;
    before.queue.learn('3/b', 60);
    before.queue.put(PLACE, null, dot('a', 0));
    before.queue.put(PLACE, dot('b', 0), dot('b', 1));
    await settle();

    const after = setUp(before.storage);
    expect(after.queue.overlay(7, after.queue.moment).map(({ key }) => key)).toEqual(['3/a', '3/b']);
    after.queue.start();
    await settle();
    expect(after.server.log).toEqual(['create a', 'update 60 0→1']);
    expect(before.storage.length).toBe(0);
  });

  it('removes what may have been created by a request without an answer', async () => {
    const { server, queue } = setUp();
    server.losing = true;
    queue.put(PLACE, null, dot('a', 0));
    await settle();
    server.losing = false;
    queue.put(PLACE, dot('a', 0), null);
    await settle();
    expect(server.log).toEqual(['create a', 'create a', 'remove 101']);
  });
});

describe('what cannot be saved', () => {
  it('holds back what lacks required attributes', async () => {
    const { server, queue } = setUp();
    queue.put(PLACE, null, dot('a', 0), ['Species']);
    await settle();
    expect(queue.status).toMatchObject({ waiting: 0, incomplete: 1 });
    queue.put(PLACE, dot('a', 0), dot('a', 1));
    await settle();
    expect(server.log).toEqual(['create a']);
  });

  it('finds the one that is refused and saves the others', async () => {
    const { server, queue } = setUp();
    server.away = true;
    for (const id of ['a', 'b', 'c']) queue.put(PLACE, null, dot(id, 0));
    await settle();
    server.away = false;
    server.refuses = ({ elementalId }) => elementalId === 'b';
    queue.retry();
    await settle();
    expect(server.log).toEqual(['create a', 'create c']);
    expect(queue.status).toMatchObject({ waiting: 0, refused: 1, problem: 'refused' });
  });
});

it('lays over a list what was acknowledged after it was asked for', async () => {
  const { queue } = setUp();
  const moment = queue.moment;
  queue.put(PLACE, null, dot('a', 0));
  await settle();
  expect(queue.overlay(7, moment).map(({ key }) => key)).toEqual(['3/a']);
  expect(queue.overlay(7, queue.moment)).toEqual([]);
  expect(queue.overlay(8, moment)).toEqual([]);
});
