import type { AttributeType, LocalizationTypeSpec } from '../api/client';

type Shape = Omit<LocalizationTypeSpec, 'media_types'>;

/** What a new project starts with. `labels` are the names a person typed, maybe none. */
export interface Preset {
  id: string;
  name: string;
  description: string;
  /** What the labels are called in this preset, or nothing when it has none. */
  labelled?: string;
  shapes(labels: string[]): Shape[];
}

const LABEL_COLOURS = ['#45d3c4', '#ffb454', '#7cb7ff', '#ff7a90', '#b7e36a', '#c79bff', '#ffe066', '#5ee0ff', '#ff9ecf', '#9be8b0'];

const NOTE: AttributeType = { name: 'Note', dtype: 'string', style: 'long_string', order: 9, description: 'Anything worth remembering' };

function labelAttribute(name: string, labels: string[]): AttributeType {
  if (labels.length === 0) return { name, dtype: 'string', order: 0, description: 'What it is' };
  return { name, dtype: 'enum', choices: labels, order: 0, description: 'What it is' };
}

/** Colours every label differently, when there are labels. */
function coloured(name: string, labels: string[], fallback: string): Pick<Shape, 'color_map'> {
  if (labels.length === 0) return { color_map: { default: fallback } };
  const map = Object.fromEntries(labels.map((label, index) => [label, LABEL_COLOURS[index % LABEL_COLOURS.length]!]));
  return { color_map: { default: fallback, key: name, map } };
}

export const PRESETS: Preset[] = [
  {
    id: 'detection',
    name: 'Object detection',
    description: 'Boxes, lines, points and outlines with a label, for training detectors.',
    labelled: 'Label',
    shapes: (labels) => {
      const attributes: AttributeType[] = [
        labelAttribute('Label', labels),
        { name: 'Occluded', dtype: 'bool', default: false, order: 1, description: 'Partly hidden by something else' },
        { name: 'Certainty', dtype: 'enum', choices: ['certain', 'probable', 'possible'], default: 'certain', order: 2 },
        NOTE,
      ];
      return [
        { name: 'Box', dtype: 'box', attribute_types: attributes, line_width: 2, ...coloured('Label', labels, '#45d3c4') },
        { name: 'Line', dtype: 'line', attribute_types: [attributes[0]!, NOTE], line_width: 2, ...coloured('Label', labels, '#ffb454') },
        { name: 'Point', dtype: 'dot', attribute_types: [attributes[0]!, NOTE], line_width: 2, ...coloured('Label', labels, '#7cb7ff') },
        { name: 'Outline', dtype: 'poly', attribute_types: attributes, line_width: 2, ...coloured('Label', labels, '#ff7a90') },
      ];
    },
  },
  {
    id: 'survey',
    name: 'Marine survey',
    description: 'Organisms with species, count and behaviour; measuring lines; habitat outlines.',
    labelled: 'Species',
    shapes: (labels) => {
      const species = labelAttribute('Species', labels);
      const organism: AttributeType[] = [
        species,
        { name: 'Count', dtype: 'int', minimum: 1, maximum: 100000, default: 1, order: 1, description: 'How many individuals' },
        { name: 'Behaviour', dtype: 'enum', choices: ['resting', 'swimming', 'feeding', 'fleeing', 'unknown'], default: 'unknown', order: 2 },
        { name: 'Length (mm)', dtype: 'float', minimum: 0, order: 3 },
        { name: 'Voucher', dtype: 'bool', default: false, order: 4, description: 'A specimen was taken' },
        { name: 'Observed', dtype: 'datetime', order: 5 },
        NOTE,
      ];
      return [
        { name: 'Organism', dtype: 'box', attribute_types: organism, line_width: 2, ...coloured('Species', labels, '#45d3c4') },
        { name: 'Sighting', dtype: 'dot', attribute_types: [species, organism[1]!, NOTE], line_width: 2, ...coloured('Species', labels, '#7cb7ff') },
        { name: 'Measurement', dtype: 'line', attribute_types: [organism[3]!, NOTE], line_width: 2, color_map: { default: '#ffb454' } },
        {
          name: 'Habitat',
          dtype: 'poly',
          attribute_types: [{ name: 'Substrate', dtype: 'enum', choices: ['rock', 'boulders', 'gravel', 'sand', 'mud', 'reef'], order: 0 }, { name: 'Cover (%)', dtype: 'int', minimum: 0, maximum: 100, order: 1 }, NOTE],
          line_width: 2,
          color_map: { default: '#b7e36a' },
        },
      ];
    },
  },
  {
    id: 'blank',
    name: 'Blank',
    description: 'The four shapes without attributes. Define your own later.',
    shapes: () => [
      { name: 'Box', dtype: 'box', attribute_types: [], line_width: 2 },
      { name: 'Line', dtype: 'line', attribute_types: [], line_width: 2 },
      { name: 'Point', dtype: 'dot', attribute_types: [], line_width: 2 },
      { name: 'Outline', dtype: 'poly', attribute_types: [], line_width: 2 },
    ],
  },
];
