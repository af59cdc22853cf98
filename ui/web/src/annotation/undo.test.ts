import { expect, it } from 'vitest';
import type { Annotation } from './types';
import { type Step, UndoStack } from './undo';

const at = (x: number): Annotation => ({ version: 1, elementalId: 'a', type: 1, frame: 0, shape: { kind: 'dot', x, y: 0 }, attributes: {} });
const draw: Step = { label: 'Draw', changes: [{ before: null, after: at(0) }] };
const move: Step = { label: 'Move', changes: [{ before: at(0), after: at(1) }] };

it('takes steps back in reverse and does them again', () => {
  const stack = new UndoStack();
  stack.push(draw);
  stack.push(move);
  expect(stack.undo()).toEqual({ label: 'Move', changes: [{ before: at(1), after: at(0) }] });
  expect(stack.undo()).toEqual({ label: 'Draw', changes: [{ before: at(0), after: null }] });
  expect(stack.undo()).toBeUndefined();
  expect(stack.redo()).toEqual(draw);
  expect(stack.redo()).toEqual(move);
  expect(stack.redo()).toBeUndefined();
});

it('forgets what was undone once something new is done', () => {
  const stack = new UndoStack();
  stack.push(draw);
  stack.undo();
  stack.push(move);
  expect(stack.canRedo).toBe(false);
  expect(stack.nextUndo).toBe('Move');
});

it('keeps a bounded number of steps', () => {
  const stack = new UndoStack(2);
  for (const label of ['one', 'two', 'three']) stack.push({ label, changes: [] });
  expect([stack.undo()?.label, stack.undo()?.label, stack.undo()?.label]).toEqual(['three', 'two', undefined]);
});
