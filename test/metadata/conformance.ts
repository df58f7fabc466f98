/**
 * What every store of metadata must do (the contracts of `src/metadata/metadata.ts`), as a suite: give it a way to make a
 * store and it registers its tests.
 */
import { linksConformance } from './conformance-links.ts'
import { marksConformance } from './conformance-marks.ts'
import { movesConformance } from './conformance-moves.ts'
import { renameConformance } from './conformance-rename.ts'
import { xattrsConformance } from './conformance-xattrs.ts'
import { namesConformance } from './conformance-names.ts'
import { layoutConformance } from './conformance-layout.ts'
import { removalConformance } from './conformance-removal.ts'
import { treeConformance } from './conformance-tree.ts'
import { spaceConformance } from './conformance-space.ts'
import { namesModelConformance } from './model-names.ts'
import { modelConformance } from './model.ts'
import type { MakeMetadata } from './subject.ts'

export function metadataConformance(name: string, make: MakeMetadata): void {
  namesConformance(name, make)
  linksConformance(name, make)
  renameConformance(name, make)
  xattrsConformance(name, make)
  treeConformance(name, make)
  layoutConformance(name, make)
  removalConformance(name, make)
  movesConformance(name, make)
  spaceConformance(name, make)
  marksConformance(name, make)
  namesModelConformance(name, make)
  modelConformance(name, make)
}
