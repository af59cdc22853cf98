import type { Binding } from './keys';
import type { Tool } from './workspace.svelte';

/** What keys can do on the annotation page. */
export interface Actions {
  step(frames: number): void;
  togglePlay(): void;
  askFrame(): void;
  toMark(direction: 1 | -1): void;
  toFile(direction: 1 | -1): void;
  pick(tool: Tool): void;
  finish(): void;
  escape(): void;
  remove(): void;
  undo(): void;
  redo(): void;
  selectNext(direction: 1 | -1): void;
  choose(number: number): void;
  zoomBy(factor: number): void;
  fit(): void;
  toPixels(): void;
  help(): void;
}

/** Returns every key of the page: the keyboard and the help are made from this one list. */
export function bindingsFor(act: Actions): Binding[] {
  return [
    { group: 'Move', keys: ['→'], label: 'Next frame', run: () => act.step(1) },
    { group: 'Move', keys: ['←'], label: 'Previous frame', run: () => act.step(-1) },
    { group: 'Move', keys: ['Shift+→'], label: '10 frames on', run: () => act.step(10) },
    { group: 'Move', keys: ['Shift+←'], label: '10 frames back', run: () => act.step(-10) },
    { group: 'Move', keys: ['Home'], label: 'First frame', run: () => act.step(-Infinity) },
    { group: 'Move', keys: ['End'], label: 'Last frame', run: () => act.step(Infinity) },
    { group: 'Move', keys: ['Space'], label: 'Play or pause', run: act.togglePlay },
    { group: 'Move', keys: ['G'], label: 'Go to a frame number', run: act.askFrame },
    { group: 'Move', keys: [']'], label: 'Next annotated frame', run: () => act.toMark(1) },
    { group: 'Move', keys: ['['], label: 'Previous annotated frame', run: () => act.toMark(-1) },
    { group: 'Move', keys: ['PageDown'], label: 'Next file', run: () => act.toFile(1) },
    { group: 'Move', keys: ['PageUp'], label: 'Previous file', run: () => act.toFile(-1) },
    { group: 'Draw', keys: ['V'], label: 'Select', run: () => act.pick('select') },
    { group: 'Draw', keys: ['B'], label: 'Box', run: () => act.pick('box') },
    { group: 'Draw', keys: ['L'], label: 'Line', run: () => act.pick('line') },
    { group: 'Draw', keys: ['P'], label: 'Point', run: () => act.pick('dot') },
    { group: 'Draw', keys: ['O'], label: 'Polygon', run: () => act.pick('poly') },
    { group: 'Draw', keys: ['Enter'], label: 'Close the polygon', run: act.finish },
    { group: 'Draw', keys: ['Esc'], label: 'Cancel, deselect, leave the tool', run: act.escape },
    { group: 'Edit', keys: ['Delete', 'Backspace'], label: 'Delete what is selected', run: act.remove },
    { group: 'Edit', keys: ['Ctrl+Z'], label: 'Undo', run: act.undo },
    { group: 'Edit', keys: ['Ctrl+Shift+Z', 'Ctrl+Y'], label: 'Redo', run: act.redo },
    { group: 'Edit', keys: ['N'], label: 'Select the next on this frame', run: () => act.selectNext(1) },
    { group: 'Edit', keys: ['Shift+N'], label: 'Select the one before', run: () => act.selectNext(-1) },
    { group: 'Edit', keys: ['Alt+1'], shown: 'Alt+1…9', label: 'Choose a label by number', run: () => act.choose(1) },
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((digit): Binding => ({ group: 'Edit', keys: [`Alt+${digit}`], shown: null, label: `Choice ${digit}`, run: () => act.choose(digit) })),
    { group: 'View', keys: ['+', '='], label: 'Zoom in', run: () => act.zoomBy(1.25) },
    { group: 'View', keys: ['-'], label: 'Zoom out', run: () => act.zoomBy(0.8) },
    { group: 'View', keys: ['0'], label: 'Fit the picture', run: act.fit },
    { group: 'View', keys: ['1'], label: 'One pixel on one pixel', run: act.toPixels },
    { group: 'View', keys: ['?'], label: 'This help', run: act.help },
  ];
}
