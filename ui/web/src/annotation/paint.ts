import { usableHandles, verticesOf } from './geometry';
import type { Annotation, Point, Shape } from './types';
import { extentOf, type Size, uiFromNorm, type View } from './view';

export interface Look {
  /** Equal for looks that are drawn with the same pen. */
  pen: string;
  colour: string;
  width_ui: number;
  title: string;
}

/** What the painters need to know about where things are. */
export interface Place {
  view: View;
  picture_px: Size;
  window_ui: Size;
}

/** With more shapes than this on a frame, fills and titles are left out: they would hide each other. */
const DETAILED = 250;
const INK = '#0b0d0f';
const FONT = '500 11px Inter, system-ui, sans-serif';

/** Draws the shapes of a frame, those of one colour after another so that the canvas keeps its state. */
export function paintShapes(context: CanvasRenderingContext2D, annotations: Annotation[], lookOf: (annotation: Annotation) => Look, place: Place): void {
  const groups = new Map<string, { look: Look; members: Annotation[] }>();
  for (const annotation of annotations) {
    if (!isVisible(annotation.shape, place)) continue;
    const look = lookOf(annotation);
    const group = groups.get(look.pen);
    if (group) group.members.push(annotation);
    else groups.set(look.pen, { look, members: [annotation] });
  }
  const detailed = annotations.length <= DETAILED;
  context.lineJoin = 'round';
  for (const { look, members } of groups.values()) {
    if (detailed) {
      // A dark rim keeps every colour apart from every picture.
      context.strokeStyle = context.fillStyle = 'rgb(0 0 0 / 0.5)';
      context.lineWidth = look.width_ui + 2;
      for (const { shape } of members) stroke(context, shape, place);
    }
    context.strokeStyle = look.colour;
    context.fillStyle = look.colour;
    context.lineWidth = look.width_ui;
    for (const { shape } of members) {
      if (detailed) fill(context, shape, place, 0.09);
      stroke(context, shape, place);
    }
  }
  if (!detailed) return;
  for (const annotation of annotations) {
    const look = lookOf(annotation);
    if (look.title !== '' && isVisible(annotation.shape, place)) paintTitle(context, annotation.shape, look, place);
  }
}

/** Draws the one shape that is being worked on: a dark rim, its colour, its handles. */
export function paintSelected(context: CanvasRenderingContext2D, shape: Shape, look: Look, place: Place, withHandles: boolean): void {
  context.lineJoin = 'round';
  context.strokeStyle = 'rgb(0 0 0 / 0.65)';
  context.lineWidth = look.width_ui + 4;
  stroke(context, shape, place);
  context.strokeStyle = '#ffffff';
  context.lineWidth = look.width_ui + 1.5;
  stroke(context, shape, place);
  context.strokeStyle = look.colour;
  context.fillStyle = look.colour;
  context.lineWidth = look.width_ui;
  fill(context, shape, place, 0.16);
  stroke(context, shape, place);
  if (look.title !== '') paintTitle(context, shape, look, place);
  if (!withHandles) return;
  const handles = usableHandles(shape, extentOf(place.view, place.picture_px));
  const half = shape.kind === 'box' && handles.length < 8 ? 2.5 : 4;
  for (const { at } of handles) {
    const [x, y] = uiFromNorm(at, place.view, place.picture_px);
    context.beginPath();
    context.roundRect(x - half, y - half, 2 * half, 2 * half, half / 2);
    context.fillStyle = '#ffffff';
    context.strokeStyle = INK;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
  }
}

/** Draws the shape under the pointer. */
export function paintHovered(context: CanvasRenderingContext2D, shape: Shape, look: Look, place: Place): void {
  context.strokeStyle = 'rgb(255 255 255 / 0.85)';
  context.fillStyle = look.colour;
  context.lineWidth = look.width_ui + 1;
  fill(context, shape, place, 0.12);
  stroke(context, shape, place);
}

/** Draws an unfinished outline, with a line to the pointer. */
export function paintOpenPoly(context: CanvasRenderingContext2D, points: Point[], pointer: Point | undefined, look: Look, place: Place): void {
  const corners = points.map((point) => uiFromNorm(point, place.view, place.picture_px));
  context.beginPath();
  corners.forEach(([x, y], index) => (index === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  if (pointer) context.lineTo(...uiFromNorm(pointer, place.view, place.picture_px));
  context.lineJoin = 'round';
  context.strokeStyle = 'rgb(0 0 0 / 0.6)';
  context.lineWidth = look.width_ui + 3;
  context.stroke();
  context.strokeStyle = look.colour;
  context.lineWidth = look.width_ui;
  context.stroke();
  corners.forEach(([x, y], index) => {
    context.beginPath();
    context.arc(x, y, index === 0 ? 6 : 3.5, 0, 2 * Math.PI);
    context.fillStyle = index === 0 ? look.colour : '#ffffff';
    context.fill();
    context.strokeStyle = INK;
    context.lineWidth = 1.5;
    context.stroke();
  });
}

/** Draws the hair lines that help to begin a box at the right place. */
export function paintCross(context: CanvasRenderingContext2D, pointer: Point, place: Place): void {
  const { view, picture_px } = place;
  const [x, y] = uiFromNorm(pointer, view, picture_px);
  const right = view.x + picture_px.width * view.scale;
  const bottom = view.y + picture_px.height * view.scale;
  if (x < view.x || y < view.y || x > right || y > bottom) return;
  context.beginPath();
  context.moveTo(view.x, Math.round(y) + 0.5);
  context.lineTo(right, Math.round(y) + 0.5);
  context.moveTo(Math.round(x) + 0.5, view.y);
  context.lineTo(Math.round(x) + 0.5, bottom);
  context.lineWidth = 1;
  context.strokeStyle = 'rgb(255 255 255 / 0.38)';
  context.stroke();
}

/** Writes a short text on a dark ground beside a point. */
export function paintReadout(context: CanvasRenderingContext2D, text: string, at_ui: Point): void {
  context.font = FONT;
  const width = context.measureText(text).width + 12;
  context.fillStyle = 'rgb(8 10 11 / 0.82)';
  context.beginPath();
  context.roundRect(at_ui[0] + 12, at_ui[1] + 12, width, 20, 4);
  context.fill();
  context.fillStyle = '#eceff1';
  context.textBaseline = 'middle';
  context.fillText(text, at_ui[0] + 18, at_ui[1] + 22.5);
}

function stroke(context: CanvasRenderingContext2D, shape: Shape, { view, picture_px }: Place): void {
  if (shape.kind === 'box') {
    const [x, y] = uiFromNorm([shape.x, shape.y], view, picture_px);
    context.strokeRect(x, y, shape.width * picture_px.width * view.scale, shape.height * picture_px.height * view.scale);
    return;
  }
  trace(context, shape, view, picture_px);
  if (shape.kind === 'dot') context.fill();
  context.stroke();
}

function fill(context: CanvasRenderingContext2D, shape: Shape, { view, picture_px }: Place, alpha: number): void {
  if (shape.kind === 'line' || shape.kind === 'dot') return;
  const before = context.globalAlpha;
  context.globalAlpha = alpha;
  trace(context, shape, view, picture_px);
  context.fill();
  context.globalAlpha = before;
}

function trace(context: CanvasRenderingContext2D, shape: Shape, view: View, picture_px: Size): void {
  context.beginPath();
  if (shape.kind === 'dot') {
    const [x, y] = uiFromNorm([shape.x, shape.y], view, picture_px);
    context.arc(x, y, 4.5, 0, 2 * Math.PI);
    return;
  }
  verticesOf(shape).forEach((vertex, index) => {
    const [x, y] = uiFromNorm(vertex, view, picture_px);
    if (index === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  });
  if (shape.kind !== 'line') context.closePath();
}

function paintTitle(context: CanvasRenderingContext2D, shape: Shape, look: Look, { view, picture_px }: Place): void {
  const vertices = verticesOf(shape).map((vertex) => uiFromNorm(vertex, view, picture_px));
  // Boxes carry it at their corner, everything else at its highest point.
  const [anchorX, anchorY] = vertices.reduce((best, vertex) => (vertex[1] < best[1] ? vertex : best));
  const left = anchorX - (shape.kind === 'dot' ? -8 : look.width_ui / 2);
  const top = anchorY - (shape.kind === 'dot' ? -9 : shape.kind === 'box' ? 1 : 5);
  context.font = FONT;
  const width = context.measureText(look.title).width + 10;
  const y = top - 18 < 0 ? top + 2 : top - 18;
  context.fillStyle = look.colour;
  context.beginPath();
  context.roundRect(left, y, width, 17, 3);
  context.fill();
  context.fillStyle = INK;
  context.textBaseline = 'middle';
  context.fillText(look.title, left + 5, y + 9);
}

function isVisible(shape: Shape, { view, picture_px, window_ui }: Place): boolean {
  if (shape.kind !== 'box') return true;
  const [x, y] = uiFromNorm([shape.x, shape.y], view, picture_px);
  const right = x + shape.width * picture_px.width * view.scale;
  const bottom = y + shape.height * picture_px.height * view.scale;
  return right >= -4 && bottom >= -4 && x <= window_ui.width + 4 && y <= window_ui.height + 4;
}
