import { getLocalizationList, type Localization, type LocalizationType } from '../api/client';
import { attributesOf, defaultsOf, missingIn } from './attributes';
import { saving } from './saving.svelte';
import { type Annotation, type Attributes, type Kind, keyOf, newElementalId, same, type Shape, type Value } from './types';
import { type Change, type Step, UndoStack } from './undo';
import { annotationFrom } from './wire';

export type Tool = 'select' | Kind;

/** How a person was working: kept when they go on to another file. */
export interface Carried {
  project: number;
  tool: Tool;
  chosenTypes: Partial<Record<Kind, number>>;
  next: Record<number, Attributes>;
}

/** The annotations of one version of one media, what is selected, and what can be undone. */
export class Workspace {
  /** Counts changes of the annotations; whoever reads them reads this too. */
  revision = $state(0);
  tool = $state<Tool>('select');
  selectedKey = $state<string | null>(null);
  version = $state(0);
  loading = $state(true);
  /** The type that each tool draws. */
  chosenTypes = $state<Partial<Record<Kind, number>>>({});
  /** What the next annotation of a type gets. */
  #next = $state<Record<number, Attributes>>({});
  readonly types: Map<number, LocalizationType>;

  #annotations = new Map<string, Annotation>();
  #byFrame = new Map<number, Map<string, Annotation>>();
  #undo = new UndoStack();
  #undoMoved = $state(0);

  constructor(
    readonly project: number,
    readonly media: number,
    types: LocalizationType[],
    carried?: Carried,
  ) {
    this.types = new Map(types.map((type) => [type.id, type]));
    const keeps = carried?.project === project;
    if (keeps) this.#next = carried.next;
    if (keeps) for (const [kind, id] of Object.entries(carried.chosenTypes)) if (this.types.has(id)) this.chosenTypes[kind as Kind] = id;
    for (const type of types) {
      if (type.drawable === false || type.visible === false) continue;
      this.chosenTypes[type.dtype] ??= type.id;
    }
    if (keeps && (carried.tool === 'select' || this.chosenTypes[carried.tool] !== undefined)) this.tool = carried.tool;
  }

  /** What goes along to the next file. */
  get carried(): Carried {
    return { project: this.project, tool: this.tool, chosenTypes: { ...this.chosenTypes }, next: $state.snapshot(this.#next) };
  }

  get selected(): Annotation | undefined {
    void this.revision;
    return this.selectedKey === null ? undefined : this.#annotations.get(this.selectedKey);
  }

  /** Drawable types of a shape. */
  typesOf(kind: Kind): LocalizationType[] {
    return [...this.types.values()].filter((type) => type.dtype === kind && type.drawable !== false && type.visible !== false);
  }

  typeOf(annotation: Annotation): LocalizationType | undefined {
    return this.types.get(annotation.type);
  }

  /** The type that would be drawn now, if the tool draws. */
  get drawn(): LocalizationType | undefined {
    if (this.tool === 'select') return undefined;
    const id = this.chosenTypes[this.tool];
    return id === undefined ? undefined : this.types.get(id);
  }

  onFrame(frame: number): Annotation[] {
    void this.revision;
    return [...(this.#byFrame.get(frame)?.values() ?? [])];
  }

  /** All annotations in order of frames. */
  all(): Annotation[] {
    void this.revision;
    return [...this.#byFrame.keys()].sort((a, b) => a - b).flatMap((frame) => [...this.#byFrame.get(frame)!.values()]);
  }

  get count(): number {
    void this.revision;
    return this.#annotations.size;
  }

  /** The frames that have annotations, in order. */
  get frames(): number[] {
    void this.revision;
    return [...this.#byFrame.keys()].sort((a, b) => a - b);
  }

  /** Gets the annotations of a version, with what is not yet saved laid over them. */
  async open(version: number): Promise<void> {
    this.loading = true;
    this.version = version;
    const queue = saving.queue;
    const moment = queue.moment;
    try {
      const rows = await getLocalizationList({ project: this.project, media_id: [this.media], version: [version] });
      if (this.version !== version) return;
      this.#annotations.clear();
      this.#byFrame.clear();
      this.#undo = new UndoStack();
      this.#undoMoved++;
      for (const row of rows) this.#take(row);
      for (const { key, next } of queue.overlay(this.media, moment)) {
        if (!key.startsWith(`${version}/`)) continue;
        this.#set(key, next);
      }
      if (this.selectedKey !== null && !this.#annotations.has(this.selectedKey)) this.selectedKey = null;
      this.revision++;
    } finally {
      if (this.version === version) this.loading = false;
    }
  }

  select(annotation: Annotation | undefined): void {
    this.selectedKey = annotation ? keyOf(annotation) : null;
  }

  create(shape: Shape, frame: number): Annotation | undefined {
    const type = this.drawn;
    if (!type) return undefined;
    const annotation: Annotation = {
      version: this.version,
      elementalId: newElementalId(),
      type: type.id,
      frame,
      shape,
      attributes: { ...this.nextAttributes(type) },
    };
    this.#do({ label: `Draw ${type.name}`, changes: [{ before: null, after: annotation }] });
    this.select(annotation);
    return annotation;
  }

  reshape(annotation: Annotation, shape: Shape): void {
    if (same(annotation.shape, shape)) return;
    this.#do({ label: `Move ${this.#nameOf(annotation)}`, changes: [{ before: annotation, after: { ...annotation, shape } }] });
  }

  setAttribute(annotation: Annotation, name: string, value: Value): void {
    if (same(annotation.attributes[name] ?? null, value)) return;
    const attributes = { ...annotation.attributes, [name]: value };
    this.#do({ label: `Set ${name}`, changes: [{ before: annotation, after: { ...annotation, attributes } }] });
  }

  remove(annotation: Annotation): void {
    if (this.selectedKey === keyOf(annotation)) this.selectedKey = null;
    this.#do({ label: `Delete ${this.#nameOf(annotation)}`, changes: [{ before: annotation, after: null }] });
  }

  /** What an annotation of this type starts with: its defaults, or what was chosen for the next one. */
  nextAttributes(type: LocalizationType): Attributes {
    return { ...defaultsOf(attributesOf(type), new Date()), ...this.#next[type.id] };
  }

  setNextAttribute(type: LocalizationType, name: string, value: Value): void {
    this.#next[type.id] = { ...this.#next[type.id], [name]: value };
  }

  /** Why the server refused the newest state of an annotation. */
  problemOf(annotation: Annotation): string | undefined {
    void saving.status;
    return saving.queue.problemOf(keyOf(annotation));
  }

  /** Goes back to what the server has. */
  revert(annotation: Annotation): void {
    const key = keyOf(annotation);
    this.#set(key, saving.queue.revert(key));
    if (!this.#annotations.has(key)) this.selectedKey = null;
    this.revision++;
  }

  missing(annotation: Annotation): string[] {
    return missingIn(attributesOf(this.typeOf(annotation)), annotation.attributes);
  }

  get undoLabel(): string | undefined {
    void this.#undoMoved;
    return this.#undo.nextUndo;
  }

  get redoLabel(): string | undefined {
    void this.#undoMoved;
    return this.#undo.nextRedo;
  }

  /** Takes the last step back. Returns the frame where something changed. */
  undo(): number | undefined {
    return this.#again(this.#undo.undo());
  }

  redo(): number | undefined {
    return this.#again(this.#undo.redo());
  }

  #again(step: Step | undefined): number | undefined {
    if (!step) return undefined;
    this.#undoMoved++;
    for (const change of step.changes) this.#apply(change);
    this.revision++;
    const shown = step.changes[0]?.after ?? step.changes[0]?.before;
    if (step.changes[0]?.after) this.select(step.changes[0].after);
    return shown?.frame;
  }

  #do(step: Step): void {
    this.#undo.push(step);
    this.#undoMoved++;
    for (const change of step.changes) this.#apply(change);
    this.revision++;
  }

  #apply({ before, after }: Change): void {
    const named = after ?? before;
    if (!named) return;
    const key = keyOf(named);
    this.#set(key, after);
    if (!after && this.selectedKey === key) this.selectedKey = null;
    saving.queue.put({ project: this.project, media: this.media }, before, after, after ? this.missing(after) : []);
  }

  #take(row: Localization): void {
    const kind = this.types.get(row.type)?.dtype;
    const annotation = kind && annotationFrom(row, kind);
    if (!annotation) return;
    const key = keyOf(annotation);
    saving.queue.learn(key, row.id);
    this.#set(key, annotation);
  }

  #set(key: string, annotation: Annotation | null): void {
    const old = this.#annotations.get(key);
    if (old && (annotation === null || annotation.frame !== old.frame)) {
      const members = this.#byFrame.get(old.frame);
      members?.delete(key);
      if (members?.size === 0) this.#byFrame.delete(old.frame);
    }
    if (annotation === null) {
      this.#annotations.delete(key);
      return;
    }
    this.#annotations.set(key, annotation);
    const members = this.#byFrame.get(annotation.frame);
    if (members) members.set(key, annotation);
    else this.#byFrame.set(annotation.frame, new Map([[key, annotation]]));
  }

  #nameOf(annotation: Annotation): string {
    return this.typeOf(annotation)?.name ?? 'annotation';
  }
}
