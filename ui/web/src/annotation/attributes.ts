import type { AttributeType, LocalizationType } from '../api/client';
import type { Attributes, Value } from './types';

/** A definition as it is used: the wire leaves even these two open. */
export type Attribute = AttributeType & { name: string; dtype: NonNullable<AttributeType['dtype']> };

/** Returns the usable definitions of a type. */
export function attributesOf(type: LocalizationType | undefined): Attribute[] {
  return (type?.attribute_types ?? []).filter((one): one is Attribute => one.name !== undefined && one.dtype !== undefined);
}

/** A value that fits its definition, or what is wrong with it, in words for people. */
export type Checked = { value: Value } | { problem: string };

/** Returns the definitions in the order they are shown. Negative orders are hidden. */
export function shown(types: Attribute[]): Attribute[] {
  return types
    .filter((type) => (type.order ?? 0) >= 0 && type.visible !== false)
    .map((type, index) => ({ type, index }))
    .sort((a, b) => (a.type.order ?? 0) - (b.type.order ?? 0) || a.index - b.index)
    .map(({ type }) => type);
}

/** Returns what a new annotation starts with. */
export function defaultsOf(types: Attribute[], now: Date): Attributes {
  const attributes: Attributes = {};
  for (const type of types) {
    if (type.default !== undefined && type.default !== null) attributes[type.name] = type.default as Value;
    else if (type.dtype === 'datetime' && type.use_current) attributes[type.name] = now.toISOString();
  }
  return attributes;
}

/** Returns the names of required attributes without a value. */
export function missingIn(types: Attribute[], attributes: Attributes): string[] {
  return types.filter((type) => type.required && isEmpty(attributes[type.name])).map((type) => type.name);
}

/** Reads what a person typed. An empty text clears the value, which only a required attribute refuses. */
export function check(type: Attribute, text: string): Checked {
  const trimmed = text.trim();
  if (trimmed === '') return type.required ? { problem: `${type.name} needs a value` } : { value: null };
  switch (type.dtype) {
    case 'int':
    case 'float':
      return checkNumber(type, trimmed);
    case 'enum':
      return type.choices?.includes(text) ? { value: text } : { problem: 'Choose one of the list' };
    case 'bool':
      return { value: trimmed === 'true' };
    case 'datetime': {
      const time = new Date(trimmed);
      return Number.isNaN(time.getTime()) ? { problem: 'Not a date and time' } : { value: time.toISOString() };
    }
    case 'geopos':
      return checkPosition(trimmed);
    case 'float_array': {
      const numbers = trimmed.split(/[\s,;]+/).map(Number);
      return numbers.some(Number.isNaN) ? { problem: 'Numbers, separated by commas' } : { value: numbers };
    }
    default:
      return { value: text };
  }
}

function checkNumber(type: Attribute, text: string): Checked {
  const value = Number(text.replace(',', '.'));
  if (Number.isNaN(value)) return { problem: 'Not a number' };
  if (type.dtype === 'int' && !Number.isInteger(value)) return { problem: 'Needs a whole number' };
  if (type.minimum != null && value < type.minimum) return { problem: `At least ${type.minimum}` };
  if (type.maximum != null && value > type.maximum) return { problem: `At most ${type.maximum}` };
  return { value };
}

/** "latitude, longitude", as people write it; kept as [longitude, latitude]. */
function checkPosition(text: string): Checked {
  const [latitude, longitude, ...rest] = text.split(/[\s,;_]+/).map(Number);
  if (latitude === undefined || longitude === undefined || rest.length > 0) return { problem: 'Latitude, longitude' };
  if (!(Math.abs(latitude) <= 90)) return { problem: 'Latitude is between -90 and 90' };
  if (!(Math.abs(longitude) <= 180)) return { problem: 'Longitude is between -180 and 180' };
  return { value: [longitude, latitude] };
}

/** Returns a value as the text of its field. */
export function textOf(type: Attribute, value: Value | undefined): string {
  if (isEmpty(value)) return '';
  if (type.dtype === 'geopos' && Array.isArray(value)) return `${value[1]}, ${value[0]}`;
  if (Array.isArray(value)) return value.join(', ');
  if (type.dtype === 'datetime' && typeof value === 'string') return localTime(value);
  return String(value);
}

/** An ISO time as a datetime-local field wants it, in the time zone of this machine. */
function localTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return '';
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

export function isEmpty(value: Value | undefined): value is null | undefined {
  return value === null || value === undefined || value === '';
}
