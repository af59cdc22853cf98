import type { Extent } from './geometry';
import type { Point } from './types';

export interface Size {
  width: number;
  height: number;
}

/** Where the picture lies in the window: `scale` screen points per pixel of the picture, its corner at (x, y). */
export interface View {
  scale: number;
  x: number;
  y: number;
}

const MARGIN_UI = 12;
const CLOSEST = 40;

/** Returns the view that shows the whole picture in the middle of the window. */
export function fit(picture_px: Size, window_ui: Size): View {
  const width = Math.max(1, window_ui.width - 2 * MARGIN_UI);
  const height = Math.max(1, window_ui.height - 2 * MARGIN_UI);
  const scale = Math.min(width / picture_px.width, height / picture_px.height);
  return {
    scale,
    x: (window_ui.width - picture_px.width * scale) / 2,
    y: (window_ui.height - picture_px.height * scale) / 2,
  };
}

/** Returns the view scaled by `factor` so that what lies at `at_ui` stays there. Never smaller than the whole picture. */
export function zoomed(view: View, factor: number, at_ui: Point, picture_px: Size, window_ui: Size): View {
  const whole = fit(picture_px, window_ui);
  const scale = Math.min(Math.max(view.scale * factor, whole.scale), Math.max(CLOSEST, whole.scale));
  if (scale === whole.scale) return whole;
  const ratio = scale / view.scale;
  return within({ scale, x: at_ui[0] - (at_ui[0] - view.x) * ratio, y: at_ui[1] - (at_ui[1] - view.y) * ratio }, picture_px, window_ui);
}

/** Returns the view moved, with some of the picture always left to see. */
export function panned(view: View, dx_ui: number, dy_ui: number, picture_px: Size, window_ui: Size): View {
  return within({ ...view, x: view.x + dx_ui, y: view.y + dy_ui }, picture_px, window_ui);
}

function within(view: View, picture_px: Size, window_ui: Size): View {
  const axis = (at: number, picture: number, window: number) => {
    const low = Math.min(window / 2 - picture, (window - picture) / 2);
    const high = Math.max(window / 2, (window - picture) / 2);
    return Math.min(Math.max(at, low), high);
  };
  return {
    scale: view.scale,
    x: axis(view.x, picture_px.width * view.scale, window_ui.width),
    y: axis(view.y, picture_px.height * view.scale, window_ui.height),
  };
}

export function extentOf(view: View, picture_px: Size): Extent {
  return { width_ui: picture_px.width * view.scale, height_ui: picture_px.height * view.scale };
}

export function normFromUi([x, y]: Point, view: View, picture_px: Size): Point {
  return [(x - view.x) / (picture_px.width * view.scale), (y - view.y) / (picture_px.height * view.scale)];
}

export function uiFromNorm([x, y]: Point, view: View, picture_px: Size): Point {
  return [view.x + x * picture_px.width * view.scale, view.y + y * picture_px.height * view.scale];
}
