import type { Annotation } from './types';

/** What happened to one annotation: null before is a creation, null after a deletion. */
export interface Change {
  before: Annotation | null;
  after: Annotation | null;
}

/** One thing a person did, as they would name it. */
export interface Step {
  label: string;
  changes: Change[];
}

/** Returns the step that takes a step back. */
export function inverse(step: Step): Step {
  return { label: step.label, changes: step.changes.map(({ before, after }) => ({ before: after, after: before })).reverse() };
}

/** The steps of a session, newest last. `undo` and `redo` return what has to be applied, or nothing. */
export class UndoStack {
  #done: Step[] = [];
  #undone: Step[] = [];

  constructor(private readonly limit = 1000) {}

  get canUndo(): boolean {
    return this.#done.length > 0;
  }

  get canRedo(): boolean {
    return this.#undone.length > 0;
  }

  get nextUndo(): string | undefined {
    return this.#done.at(-1)?.label;
  }

  get nextRedo(): string | undefined {
    return this.#undone.at(-1)?.label;
  }

  push(step: Step): void {
    this.#done.push(step);
    if (this.#done.length > this.limit) this.#done.shift();
    this.#undone = [];
  }

  undo(): Step | undefined {
    const step = this.#done.pop();
    if (!step) return undefined;
    this.#undone.push(step);
    return inverse(step);
  }

  redo(): Step | undefined {
    const step = this.#undone.pop();
    if (!step) return undefined;
    this.#done.push(step);
    return step;
  }
}
