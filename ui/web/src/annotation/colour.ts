import type { Color, LocalizationType } from '../api/client';
import type { Annotation } from './types';

/** Told apart on video, also by most colour-blind people; none is the colour of the selection (white). */
const PALETTE = ['#45d3c4', '#ffb454', '#7cb7ff', '#ff7a90', '#b7e36a', '#c79bff', '#ffe066', '#5ee0ff', '#ff9ecf', '#9be8b0'];

export function typeColour(type: LocalizationType | undefined): string {
  return cssFrom(type?.color_map?.default) ?? PALETTE[(type?.id ?? 0) % PALETTE.length]!;
}

/** Returns the outline colour: by attribute value, then by version, then the type's own. */
export function colourOf(annotation: Annotation, type: LocalizationType | undefined): string {
  const map = type?.color_map;
  if (map?.key && map.map) {
    const value = annotation.attributes[map.key];
    const colour = cssFrom(map.map[String(value)]);
    if (colour) return colour;
  }
  return cssFrom(map?.version?.[String(annotation.version)]) ?? typeColour(type);
}

function cssFrom(colour: Color | undefined | null): string | undefined {
  if (!colour) return undefined;
  if (typeof colour === 'string') return /^#[0-9a-f]{6}$/i.test(colour) ? colour : undefined;
  const [red, green, blue, alpha] = colour as number[];
  if (red === undefined || green === undefined || blue === undefined) return undefined;
  return alpha === undefined ? `rgb(${red} ${green} ${blue})` : `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
}
