import type { Annotation, Point, Shape } from './types';

/** How many screen points a picture's full width and height take: turns distances in 0..1 into distances on screen. */
export interface Extent {
  width_ui: number;
  height_ui: number;
}

export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A spot of a shape that can be dragged. `at` is in 0..1 of the picture. */
export interface Handle {
  id: string;
  at: Point;
  cursor: string;
}

/** Shapes smaller than this on screen come from a click, not from a drag. */
export const SMALLEST_DRAG_UI = 3;

export const clamp = (value: number, low = 0, high = 1): number => Math.min(high, Math.max(low, value));
export const clampPoint = ([x, y]: Point): Point => [clamp(x), clamp(y)];

/** Returns the box between two corners, in any order. */
export function boxBetween(a: Point, b: Point): Shape {
  const [ax, ay] = clampPoint(a);
  const [bx, by] = clampPoint(b);
  return { kind: 'box', x: Math.min(ax, bx), y: Math.min(ay, by), width: Math.abs(ax - bx), height: Math.abs(ay - by) };
}

/** Returns the line between two points. */
export function lineBetween(a: Point, b: Point): Shape {
  const [ax, ay] = clampPoint(a);
  const [bx, by] = clampPoint(b);
  return { kind: 'line', x: ax, y: ay, u: bx - ax, v: by - ay };
}

/** Returns the corners or vertices of a shape, in drawing order. */
export function verticesOf(shape: Shape): Point[] {
  switch (shape.kind) {
    case 'box': {
      const { x, y, width, height } = shape;
      return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
    }
    case 'line':
      return [[shape.x, shape.y], [shape.x + shape.u, shape.y + shape.v]];
    case 'dot':
      return [[shape.x, shape.y]];
    case 'poly':
      return shape.points;
  }
}

export function boundsOf(shape: Shape): Bounds {
  const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of verticesOf(shape)) {
    bounds.left = Math.min(bounds.left, x);
    bounds.top = Math.min(bounds.top, y);
    bounds.right = Math.max(bounds.right, x);
    bounds.bottom = Math.max(bounds.bottom, y);
  }
  return bounds;
}

/** Returns the shape moved by (dx, dy), stopped at the edges of the picture. */
export function moved(shape: Shape, dx: number, dy: number): Shape {
  const bounds = boundsOf(shape);
  const x = clamp(dx, -bounds.left, 1 - bounds.right);
  const y = clamp(dy, -bounds.top, 1 - bounds.bottom);
  if (shape.kind === 'poly') return { kind: 'poly', points: shape.points.map(([px, py]) => [px + x, py + y]) };
  return { ...shape, x: shape.x + x, y: shape.y + y };
}

export function handlesOf(shape: Shape): Handle[] {
  switch (shape.kind) {
    case 'box': {
      const { x, y, width, height } = shape;
      const midX = x + width / 2;
      const midY = y + height / 2;
      return [
        { id: 'nw', at: [x, y], cursor: 'nwse-resize' },
        { id: 'n', at: [midX, y], cursor: 'ns-resize' },
        { id: 'ne', at: [x + width, y], cursor: 'nesw-resize' },
        { id: 'e', at: [x + width, midY], cursor: 'ew-resize' },
        { id: 'se', at: [x + width, y + height], cursor: 'nwse-resize' },
        { id: 's', at: [midX, y + height], cursor: 'ns-resize' },
        { id: 'sw', at: [x, y + height], cursor: 'nesw-resize' },
        { id: 'w', at: [x, midY], cursor: 'ew-resize' },
      ];
    }
    case 'line':
      return [
        { id: 'start', at: [shape.x, shape.y], cursor: 'crosshair' },
        { id: 'end', at: [shape.x + shape.u, shape.y + shape.v], cursor: 'crosshair' },
      ];
    case 'dot':
      return [];
    case 'poly':
      return shape.points.map((at, index) => ({ id: String(index), at, cursor: 'crosshair' }));
  }
}

/** Returns the shape with one handle dragged to a point. A box may be turned inside out; it stays a proper box. */
export function dragged(shape: Shape, handle: string, to: Point): Shape {
  const [x, y] = clampPoint(to);
  switch (shape.kind) {
    case 'box': {
      let { left, top, right, bottom } = boundsOf(shape);
      if (handle.includes('w')) left = x;
      if (handle.includes('e')) right = x;
      if (handle.includes('n')) top = y;
      if (handle.includes('s')) bottom = y;
      return boxBetween([left, top], [right, bottom]);
    }
    case 'line': {
      const start: Point = [shape.x, shape.y];
      const end: Point = [shape.x + shape.u, shape.y + shape.v];
      return handle === 'start' ? lineBetween([x, y], end) : lineBetween(start, [x, y]);
    }
    case 'dot':
      return { kind: 'dot', x, y };
    case 'poly':
      return { kind: 'poly', points: shape.points.map((point, index) => (String(index) === handle ? [x, y] : point)) };
  }
}

/** Boxes smaller than this on screen have handles at their corners only: more would hide them. */
const SMALL_BOX_UI = 36;

/** Returns the handles that fit on a shape at its size on screen. */
export function usableHandles(shape: Shape, extent: Extent): Handle[] {
  const handles = handlesOf(shape);
  if (shape.kind !== 'box') return handles;
  const smaller_ui = Math.min(shape.width * extent.width_ui, shape.height * extent.height_ui);
  return smaller_ui < SMALL_BOX_UI ? handles.filter(({ id }) => id.length === 2) : handles;
}

/** Returns the handle within reach of a point, the nearest first. The middle of a small box stays free to move it. */
export function handleAt(shape: Shape, point: Point, extent: Extent, tolerance_ui: number): Handle | undefined {
  let best: Handle | undefined;
  let bestDistance = tolerance_ui;
  if (shape.kind === 'box') {
    bestDistance = Math.min(tolerance_ui, Math.max(3, Math.min(shape.width * extent.width_ui, shape.height * extent.height_ui) / 3));
  }
  for (const handle of usableHandles(shape, extent)) {
    const distance = distance_ui(handle.at, point, extent);
    if (distance <= bestDistance) {
      best = handle;
      bestDistance = distance;
    }
  }
  return best;
}

/** Returns true when the point is inside the shape or within `tolerance_ui` screen points of its outline. */
export function touches(shape: Shape, point: Point, extent: Extent, tolerance_ui: number): boolean {
  const vertices = verticesOf(shape);
  const [x, y] = point;
  const slackX = tolerance_ui / extent.width_ui;
  const slackY = tolerance_ui / extent.height_ui;
  const { left, top, right, bottom } = boundsOf(shape);
  if (x < left - slackX || x > right + slackX || y < top - slackY || y > bottom + slackY) return false;
  if (shape.kind === 'box') return true;
  if (shape.kind === 'dot') return distance_ui([shape.x, shape.y], point, extent) <= tolerance_ui + 4;
  if (shape.kind === 'poly' && inside(point, vertices)) return true;
  const edges = shape.kind === 'poly' ? vertices.length : vertices.length - 1;
  for (let index = 0; index < edges; index++) {
    const next = vertices[(index + 1) % vertices.length]!;
    if (edgeDistance_ui(point, vertices[index]!, next, extent) <= tolerance_ui) return true;
  }
  return false;
}

/**
 * Returns the annotation that a click at `point` means: of all that are touched, the smallest, so that what lies
 * within something larger can be reached. Among equals the last, which is drawn on top.
 */
export function pick(annotations: Iterable<Annotation>, point: Point, extent: Extent, tolerance_ui = 6): Annotation | undefined {
  let best: Annotation | undefined;
  let bestArea = Infinity;
  for (const annotation of annotations) {
    if (!touches(annotation.shape, point, extent, tolerance_ui)) continue;
    const area = areaOf(annotation.shape);
    if (area <= bestArea) {
      best = annotation;
      bestArea = area;
    }
  }
  return best;
}

/** Returns the area of the bounds, 0 for dots and lines so that they win over boxes. */
export function areaOf(shape: Shape): number {
  if (shape.kind === 'dot' || shape.kind === 'line') return 0;
  const { left, top, right, bottom } = boundsOf(shape);
  return (right - left) * (bottom - top);
}

export function distance_ui([ax, ay]: Point, [bx, by]: Point, extent: Extent): number {
  return Math.hypot((ax - bx) * extent.width_ui, (ay - by) * extent.height_ui);
}

function edgeDistance_ui(point: Point, from: Point, to: Point, extent: Extent): number {
  const px = (point[0] - from[0]) * extent.width_ui;
  const py = (point[1] - from[1]) * extent.height_ui;
  const ex = (to[0] - from[0]) * extent.width_ui;
  const ey = (to[1] - from[1]) * extent.height_ui;
  const length = ex * ex + ey * ey;
  const along = length === 0 ? 0 : clamp((px * ex + py * ey) / length);
  return Math.hypot(px - along * ex, py - along * ey);
}

/** Even-odd rule. */
function inside([x, y]: Point, vertices: Point[]): boolean {
  let odd = false;
  for (let index = 0, previous = vertices.length - 1; index < vertices.length; previous = index++) {
    const [ax, ay] = vertices[index]!;
    const [bx, by] = vertices[previous]!;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
