/**
 * What every store of metadata must do (the contracts of `src/metadata/metadata.ts`), as a suite: give it a way to make a
 * store and it registers its tests.
 */
import { namesConformance } from './conformance-names.ts'
import { layoutConformance } from './conformance-layout.ts'
import { removalConformance } from './conformance-removal.ts'
import { spaceConformance } from './conformance-space.ts'
import { modelConformance } from './model.ts'
import type { MakeMetadata } from './subject.ts'

export function metadataConformance(name: string, make: MakeMetadata): void {
  namesConformance(name, make)
  layoutConformance(name, make)
  removalConformance(name, make)
  spaceConformance(name, make)
  modelConformance(name, make)
}
