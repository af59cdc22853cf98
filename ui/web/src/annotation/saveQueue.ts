import { type Annotation, keyOf, same } from './types';

/**
 * What is not yet on the server, kept so that a reload or a closed tab loses nothing. One entry per annotation:
 * `base` is what the server acknowledged last, `next` what the person sees. Everything sent may be sent twice
 * with the same result, so an entry whose answer was lost is simply sent again.
 */
export interface Entry {
  project: number;
  media: number;
  key: string;
  /** Any row of the annotation's revisions; null when the server never had it. */
  rowId: number | null;
  base: Annotation | null;
  next: Annotation | null;
  /** A creation that went out without an answer yet: the server may have it. */
  tried?: Annotation;
  /** Names of required attributes that have no value yet; the entry waits for them. */
  missing?: string[];
  /** Why the server refused it. Sent again when it is edited or on request. */
  problem?: string;
}

export interface Sender {
  /** Creates annotations, or restores deleted ones. Returns their row ids in order. */
  create(project: number, items: { annotation: Annotation; media: number }[]): Promise<number[]>;
  /** Returns the id of the new row. */
  update(rowId: number, before: Annotation, after: Annotation): Promise<number>;
  /** An annotation that is already gone is a success. */
  remove(rowId: number): Promise<void>;
}

/** An error that says by `retry` whether sending the same again later can help. */
export interface SendError extends Error {
  retry: boolean;
}

export interface Status {
  /** Entries that wait to be sent or are on their way. */
  waiting: number;
  /** Entries that wait for required attributes. */
  incomplete: number;
  /** Entries that the server refused. */
  refused: number;
  /** Why nothing goes out at the moment. */
  problem: string | null;
  /** True when the browser could not keep the unsaved edits on its disk. */
  unkept: boolean;
}

interface Clock {
  set(run: () => void, delay_ms: number): unknown;
  clear(timer: unknown): void;
}

const CLOCK: Clock = {
  set: (run, delay_ms) => setTimeout(run, delay_ms),
  clear: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

const BATCH = 100;
const LONGEST_WAIT_MS = 30_000;

export class SaveQueue {
  #entries = new Map<string, Entry>();
  #rowIds = new Map<string, number>();
  #acknowledged: { sequence: number; key: string; media: number; next: Annotation | null }[] = [];
  #sequence = 0;
  #busy = false;
  #failures = 0;
  #timer: unknown;
  #problem: string | null = null;
  #unkept = false;
  #listeners = new Set<() => void>();

  constructor(
    private readonly sender: Sender,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>,
    private readonly prefix: string,
    private readonly clock: Clock = CLOCK,
  ) {
    for (const name of this.#storedNames()) {
      const entry = parse(storage.getItem(name));
      if (entry) this.#entries.set(entry.key, entry);
    }
  }

  get status(): Status {
    let waiting = 0;
    let incomplete = 0;
    let refused = 0;
    for (const entry of this.#entries.values()) {
      if (entry.missing?.length) incomplete++;
      else if (entry.problem) refused++;
      else waiting++;
    }
    const problem = this.#problem ?? [...this.#entries.values()].find((entry) => entry.problem)?.problem ?? null;
    return { waiting, incomplete, refused, problem, unkept: this.#unkept };
  }

  /** Calls `listener` after every change; returns how to stop that. */
  onchange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells which row the server has for an annotation. */
  learn(key: string, rowId: number): void {
    this.#rowIds.set(key, rowId);
  }

  /** Keeps a change on this machine, then sends it. */
  put(place: { project: number; media: number }, before: Annotation | null, after: Annotation | null, missing: string[] = []): void {
    const named = after ?? before;
    if (!named) return;
    const key = keyOf(named);
    const old = this.#entries.get(key);
    const entry: Entry = {
      ...place,
      key,
      rowId: old?.rowId ?? this.#rowIds.get(key) ?? null,
      base: old ? old.base : before,
      next: after,
    };
    if (after && missing.length > 0) entry.missing = missing;
    if (old?.tried) entry.tried = old.tried;
    this.#store(entry);
    this.#changed();
    void this.#pump();
  }

  /** A point in time for `overlay`: take it before asking the server for its list. */
  get moment(): number {
    return this.#sequence;
  }

  /** Returns what has to be laid over the server's list of a media, asked for at `moment`. */
  overlay(media: number, moment: number): { key: string; next: Annotation | null }[] {
    const acknowledged = this.#acknowledged.filter((item) => item.media === media && item.sequence > moment);
    return [...acknowledged, ...[...this.#entries.values()].filter((entry) => entry.media === media)];
  }

  /** The entries that the server refused. */
  get refused(): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.problem !== undefined);
  }

  problemOf(key: string): string | undefined {
    return this.#entries.get(key)?.problem;
  }

  /** Gives up an edit. Returns what the server has; null when it has nothing. */
  revert(key: string): Annotation | null {
    const base = this.#entries.get(key)?.base ?? null;
    this.#drop(key);
    this.#changed();
    return base;
  }

  /** Tries again at once, also what the server refused. */
  retry(): void {
    for (const entry of this.#entries.values()) delete entry.problem;
    this.#failures = 0;
    this.#problem = null;
    this.clock.clear(this.#timer);
    this.#changed();
    void this.#pump();
  }

  /** Sends what was left over from before, unless something already does. */
  start(): void {
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
        if (!(await this.#sendBatch(batch))) break;
        this.#changed();
      }
    } finally {
      this.#busy = false;
      this.#changed();
    }
  }

  /** The next things that can go out together: many creations, or one other change. */
  #nextBatch(): Entry[] {
    const batch: Entry[] = [];
    for (const entry of [...this.#entries.values()]) {
      if (entry.problem || entry.missing?.length) continue;
      if ((!entry.base && !entry.next && !entry.tried) || (entry.base && entry.next && same(entry.base, entry.next))) {
        this.#drop(entry.key);
        continue;
      }
      const creation = entry.base === null;
      if (!creation) return batch.length > 0 ? batch : [entry];
      if (batch.length > 0 && batch[0]!.project !== entry.project) return batch;
      batch.push(entry);
      if (batch.length === BATCH) return batch;
    }
    return batch;
  }

  async #sendBatch(batch: Entry[]): Promise<boolean> {
    const sent = batch.map((entry) => ({ entry, next: entry.base ? entry.next : (entry.next ?? entry.tried ?? null) }));
    for (const { entry, next } of sent) if (!entry.base && next) this.#store(Object.assign(entry, { tried: next }));
    try {
      const ids = await this.#send(batch);
      sent.forEach(({ entry, next }, index) => this.#acknowledge(entry.key, next, ids[index] ?? null));
      this.#failures = 0;
      this.#problem = null;
      return true;
    } catch (error) {
      const retry = (error as Partial<SendError>).retry === true;
      const message = error instanceof Error ? error.message : String(error);
      if (retry) {
        this.#problem = message;
        const delay_ms = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures++);
        this.clock.clear(this.#timer);
        this.#timer = this.clock.set(() => void this.#pump(), delay_ms);
        return false;
      }
      if (batch.length > 1) {
        // One of them is at fault: send them one by one to find it.
        for (const entry of batch) if (!(await this.#sendBatch([entry]))) return false;
        return true;
      }
      const entry = this.#entries.get(batch[0]!.key);
      if (entry && entry.next === sent[0]!.next) this.#store({ ...entry, problem: message });
      return true;
    }
  }

  async #send(batch: Entry[]): Promise<number[]> {
    const first = batch[0]!;
    if (first.base === null) {
      const items = batch.map((entry) => ({ annotation: entry.tried!, media: entry.media }));
      return this.sender.create(first.project, items);
    }
    const rowId = first.rowId ?? this.#rowIds.get(first.key);
    if (rowId === undefined) throw new Error('the server does not know this annotation any more');
    if (first.next === null) {
      await this.sender.remove(rowId);
      return [rowId];
    }
    return [await this.sender.update(rowId, first.base, first.next)];
  }

  #acknowledge(key: string, sent: Annotation | null, rowId: number | null): void {
    if (rowId !== null) this.#rowIds.set(key, rowId);
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#acknowledged.push({ sequence: ++this.#sequence, key, media: entry.media, next: sent });
    if (this.#acknowledged.length > 1000) this.#acknowledged.shift();
    if (entry.next === sent) this.#drop(key);
    else {
      const rest: Entry = { ...entry, base: sent, rowId: rowId ?? entry.rowId };
      delete rest.tried;
      this.#store(rest);
    }
  }

  #store(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    try {
      this.storage.setItem(this.prefix + entry.key, JSON.stringify(entry));
    } catch {
      this.#unkept = true;
    }
  }

  #drop(key: string): void {
    this.#entries.delete(key);
    this.storage.removeItem(this.prefix + key);
    if (this.#entries.size === 0) this.#unkept = false;
  }

  #storedNames(): string[] {
    const names: string[] = [];
    for (let index = 0; index < this.storage.length; index++) {
      const name = this.storage.key(index);
      if (name?.startsWith(this.prefix)) names.push(name);
    }
    return names;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function parse(text: string | null): Entry | undefined {
  try {
    const entry = JSON.parse(text ?? '') as Entry;
    return typeof entry.key === 'string' && typeof entry.media === 'number' ? entry : undefined;
  } catch {
    return undefined;
  }
}
