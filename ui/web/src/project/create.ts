import { createLocalizationType, createMediaType, createProject } from '../api/client';
import type { Preset } from './presets';

export interface NewProject {
  name: string;
  summary: string;
  organization: number;
  preset: Preset;
  labels: string[];
}

/** Creates a project with the types of its preset. Returns its id. */
export async function createFromPreset({ name, summary, organization, preset, labels }: NewProject): Promise<number> {
  const project = Number((await createProject({ body: { name, summary, organization } })).id);
  const video = Number((await createMediaType({ project, body: { name: 'Video', dtype: 'video', attribute_types: [] } })).id);
  const image = Number((await createMediaType({ project, body: { name: 'Image', dtype: 'image', attribute_types: [] } })).id);
  for (const shape of preset.shapes(labels)) {
    await createLocalizationType({ project, body: { ...shape, media_types: [video, image] } });
  }
  return project;
}
