/** One thing that keys do. `keys` are spelled as they are shown to people, alternatives in a list. */
export interface Binding {
  group: 'Move' | 'Draw' | 'Edit' | 'View';
  keys: string[];
  /** What the help says instead of the keys; null leaves the binding out of it. */
  shown?: string | null;
  label: string;
  run: () => void;
}

const NAMES: Record<string, string> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  ' ': 'Space',
  Escape: 'Esc',
  Del: 'Delete',
};

/** Returns a key event as a binding spells it: "Ctrl+Shift+Z", "Shift+←", "B", "?". */
export function spelled(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>): string {
  const name = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const parts: string[] = [];
  if (event.ctrlKey || event.metaKey) parts.push('Ctrl');
  if (event.altKey) parts.push('Alt');
  // A character like "?" already says that Shift is down.
  const character = event.key.length === 1 && !/[a-z ]/i.test(event.key);
  if (event.shiftKey && !character) parts.push('Shift');
  return [...parts, name].join('+');
}

/** Returns true when keys belong to the field in focus, not to the page. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'range'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
