import { explain } from '../account/session.svelte';
import { getMediaCount, getMediaList, type Media } from '../api/client';

export interface MediaFilter {
  project: number;
  section: number | null;
  search: string;
}

const PAGE = 60;

/** Returns the query parameters that select the media of a filter, in the order of the grid. */
export function queryOf({ section, search }: MediaFilter): { section?: number; encoded_search?: string } {
  const query: { section?: number; encoded_search?: string } = {};
  if (section !== null) query.section = section;
  const text = search.trim();
  if (text !== '') {
    const leaf = { attribute: '$name', operation: 'icontains', value: text };
    const json = JSON.stringify({ method: 'and', operations: [leaf] });
    query.encoded_search = btoa(String.fromCharCode(...new TextEncoder().encode(json)));
  }
  return query;
}

/** The media of a filter, got page by page as they come into view. */
export class MediaPages {
  count = $state<number>();
  problem = $state('');
  #items = $state.raw<(Media | undefined)[]>([]);
  #asked = new Set<number>();
  #abort = new AbortController();

  constructor(private readonly filter: MediaFilter) {
    void this.#load();
  }

  get(index: number): Media | undefined {
    return this.#items[index];
  }

  /** Sees to it that a range of items is there or on its way. */
  ensure(first: number, last: number): void {
    if (this.count === undefined) return;
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.min(last, this.count - 1) / PAGE); page++) {
      if (page < 0 || this.#asked.has(page)) continue;
      this.#asked.add(page);
      void this.#loadPage(page);
    }
  }

  /** Looks again, for instance while an import runs. What is on screen stays until the answer is there. */
  async refresh(): Promise<void> {
    const pages = [...this.#asked];
    await this.#load();
    await Promise.all(pages.map((page) => this.#loadPage(page)));
  }

  close(): void {
    this.#abort.abort();
  }

  async #load(): Promise<void> {
    try {
      const count = await getMediaCount({ project: this.filter.project, ...queryOf(this.filter) }, { signal: this.#abort.signal });
      this.count = Number(count);
      this.problem = '';
      this.ensure(0, PAGE - 1);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.problem = explain(error);
    }
  }

  async #loadPage(page: number): Promise<void> {
    try {
      const input = { project: this.filter.project, ...queryOf(this.filter), start: page * PAGE, stop: (page + 1) * PAGE, presigned: 86400 };
      const list = await getMediaList(input, { signal: this.#abort.signal });
      const items = [...this.#items];
      list.forEach((media, index) => (items[page * PAGE + index] = media));
      this.#items = items;
    } catch (error) {
      this.#asked.delete(page);
      if (!this.#abort.signal.aborted) this.problem = explain(error);
    }
  }
}
