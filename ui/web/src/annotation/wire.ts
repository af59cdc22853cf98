import type { Localization, LocalizationSpec, LocalizationUpdate } from '../api/client';
import { type Annotation, type Attributes, type Kind, type Point, same, type Shape, type Value } from './types';

/** Geometry as the wire has it: every key present, unused ones null. */
interface WireShape {
  x: number | null;
  y: number | null;
  width: number | null;
  height: number | null;
  u: number | null;
  v: number | null;
  points: Point[] | null;
}

const NOTHING: WireShape = { x: null, y: null, width: null, height: null, u: null, v: null, points: null };

/** Returns the annotation of a row, or nothing when the row has no usable geometry. */
export function annotationFrom(row: Localization, kind: Kind): Annotation | undefined {
  const shape = shapeFrom(row, kind);
  if (!shape || !row.elemental_id) return undefined;
  return {
    version: row.version,
    elementalId: row.elemental_id,
    type: row.type,
    frame: row.frame,
    shape,
    attributes: { ...((row.attributes ?? {}) as Attributes) },
    modifiedAt: row.modified_datetime,
    user: row.user ?? row.modified_by,
  };
}

function shapeFrom(row: Localization, kind: Kind): Shape | undefined {
  const { x, y } = row;
  if (kind === 'poly') {
    const points = (row.points ?? []).map(([px, py]) => [px ?? 0, py ?? 0] as Point);
    return points.length > 0 ? { kind, points } : undefined;
  }
  if (x == null || y == null) return undefined;
  if (kind === 'box') return { kind, x, y, width: row.width ?? 0, height: row.height ?? 0 };
  if (kind === 'line') return { kind, x, y, u: row.u ?? 0, v: row.v ?? 0 };
  return { kind, x, y };
}

/** Returns the body that creates an annotation. Posting it twice makes one object with two revisions. */
export function specOf(annotation: Annotation, media: number): LocalizationSpec {
  return {
    type: annotation.type,
    media_id: media,
    version: annotation.version,
    frame: annotation.frame,
    elemental_id: annotation.elementalId,
    attributes: withoutNulls(annotation.attributes),
    ...used(annotation.shape),
  };
}

/** Returns the body that turns `before` into `after`: only what differs, or nothing when they are the same. */
export function updateOf(before: Annotation, after: Annotation): LocalizationUpdate | undefined {
  const update: LocalizationUpdate = {};
  if (before.frame !== after.frame) update.frame = after.frame;
  if (!same(before.shape, after.shape)) Object.assign(update, used(after.shape));

  const changed: Record<string, Exclude<Value, null>> = {};
  const nulled: string[] = [];
  for (const name of new Set([...Object.keys(before.attributes), ...Object.keys(after.attributes)])) {
    const value = after.attributes[name] ?? null;
    if (same(before.attributes[name] ?? null, value)) continue;
    if (value === null) nulled.push(name);
    else changed[name] = value;
  }
  if (Object.keys(changed).length > 0) update.attributes = changed;
  if (nulled.length > 0) update.null_attributes = nulled;
  return Object.keys(update).length > 0 ? update : undefined;
}

function used(shape: Shape): Partial<WireShape> {
  const { kind, ...geometry } = shape;
  const wire = { ...NOTHING, ...geometry };
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== null));
}

function withoutNulls(attributes: Attributes): Record<string, Exclude<Value, null>> {
  const kept: Record<string, Exclude<Value, null>> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== null) kept[name] = value;
  return kept;
}
