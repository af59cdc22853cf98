/** The annotation model of the page. Plain data; nothing here knows the server, the DOM or Svelte. */

/** [x, y], both 0 to 1 of the picture, origin top left. */
export type Point = [number, number];

export interface Box {
  kind: 'box';
  x: number;
  y: number;
  width: number;
  height: number;
}

/** From (x, y) to (x + u, y + v). */
export interface Line {
  kind: 'line';
  x: number;
  y: number;
  u: number;
  v: number;
}

export interface Dot {
  kind: 'dot';
  x: number;
  y: number;
}

export interface Poly {
  kind: 'poly';
  points: Point[];
}

export type Shape = Box | Line | Dot | Poly;
export type Kind = Shape['kind'];

export type Value = string | number | boolean | number[] | string[] | null;
export type Attributes = Record<string, Value>;

/** One object on one frame. Its identity is (version, elementalId); the ids of rows are revisions. */
export interface Annotation {
  version: number;
  elementalId: string;
  type: number;
  frame: number;
  shape: Shape;
  attributes: Attributes;
  modifiedAt?: string;
  user?: number | null;
}

/** Returns what names an annotation everywhere in the page. */
export function keyOf(annotation: { version: number; elementalId: string }): string {
  return `${annotation.version}/${annotation.elementalId}`;
}

/** Returns a random (version 4) UUID; also outside secure contexts, where `crypto.randomUUID` is missing. */
export function newElementalId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Returns true when two plain JSON values are the same. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => same(left[name], right[name]));
}
