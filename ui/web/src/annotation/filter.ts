import type { LocalizationType } from '../api/client';
import { attributesOf } from './attributes';
import type { Annotation } from './types';

/** Returns true when every word of the query occurs in the annotation's type, attribute names or values, or frame. */
export function matches(annotation: Annotation, type: LocalizationType | undefined, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const parts = [type?.name ?? '', String(annotation.frame)];
  for (const [name, value] of Object.entries(annotation.attributes)) parts.push(`${name}:${value}`);
  const text = parts.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Returns what tells an annotation apart in a list: its first text or choice, else nothing. */
export function titleOf(annotation: Annotation, type: LocalizationType | undefined): string {
  for (const attribute of attributesOf(type)) {
    const value = annotation.attributes[attribute.name];
    if (typeof value === 'string' && value !== '' && (attribute.dtype === 'string' || attribute.dtype === 'enum')) return value;
  }
  return '';
}
