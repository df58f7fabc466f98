/** A whole tree, as a pool shows it, compared with the model. */
import assert from 'node:assert/strict'
import type { Witnessed } from './expectations.ts'
import { sameBytes, sameStat } from './expectations.ts'
import { byBytes, listXattrs } from './model-attributes.ts'
import type { Model } from './model.ts'
import type { ModelFile } from './model-file.ts'
import type { Portrait } from './on-pool.ts'
import { judged } from './steps.ts'

export function sameTree(portraits: readonly Portrait[], { tree }: Model, witnessed: Witnessed): void {
  const wanted = new Map(tree.paths())
  assert.deepEqual(portraits.map(({ path }) => path).toSorted(byBytes), [...wanted.keys()].toSorted(byBytes), 'paths')
  for (const { path, stat, target, names, xattrs, pieces } of portraits) {
    const node = wanted.get(path)!
    judged(path, () => {
      sameStat(stat, node, witnessed)
      assert.deepEqual(names, [...node.entries.keys()].toSorted(byBytes), 'names')
      if (node.kind === 'symlink') assert.equal(target, node.target)
      else
        assert.deepEqual(
          xattrs.map(([name]) => name),
          listXattrs(node),
        )
      for (const [name, value] of xattrs) sameBytes(bufferOf(value), node.xattrs.get(name)!)
      if (node.kind === 'file') samePieces(pieces, node.file)
    })
  }
}

function samePieces(pieces: Portrait['pieces'], file: ModelFile): void {
  for (const [offset, bytes] of pieces) sameBytes(bufferOf(bytes), file.read(offset, bytes.length))
  for (const offset of file.filledOffsets) {
    const isShown = pieces.some(([start, bytes]) => start <= offset && offset < start + bytes.length)
    assert.ok(isShown || file.read(offset, 1).equals(Buffer.alloc(1)), `the bytes at ${offset} are not shown`)
  }
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)
