/**
 * What the model allows to come of an operation: mostly one value or one code; of `stat` and of seeking what is known of
 * them. A `Witnessed` remembers what was seen of one system, for what must stay the same or grow.
 */
import assert from 'node:assert/strict'
import type { Node } from './model-tree.ts'
import { kindBitsOf } from './model-tree.ts'
import { BLOCK } from './model-file.ts'
import type { Outcome, StatOutcome } from './operations.ts'

export type Expectation = (outcome: Outcome, witnessed: Witnessed) => void

/** What was seen so far of one system. */
export class Witnessed {
  readonly #inos = new Map<number, number>()
  readonly #nodes = new Map<number, number>()
  readonly #counts = new Map<number, { readonly count: number; readonly changes: number; readonly isSure: boolean }>()

  /** A node has one inode number, and no other has it. */
  sameInode(node: Node, ino: number): void {
    const known = this.#inos.get(node.id)
    if (known === undefined) {
      assert.ok(!this.#nodes.has(ino), `inode ${ino} is of two files`)
      this.#inos.set(node.id, ino)
      this.#nodes.set(ino, node.id)
    }
    assert.equal(ino, known ?? ino, 'inode number')
  }

  /** Whoever was told of changes sees a higher count. What somebody wrote in place and has not stored is not told yet. */
  countGrows(node: Node, count: number): void {
    const before = this.#counts.get(node.id)
    const isSure = node.unstored.size === 0
    if (before !== undefined) {
      const mustGrow = isSure && before.isSure && node.changes > before.changes
      assert.ok(mustGrow ? count > before.count : count >= before.count, `change count ${before.count}, then ${count}`)
    }
    this.#counts.set(node.id, { count, changes: node.changes, isSure })
  }
}

export const value =
  (expected: unknown): Expectation =>
  (outcome) =>
    assert.deepEqual(outcome, { value: expected })

export const code =
  (expected: string): Expectation =>
  (outcome) =>
    assert.deepEqual(outcome, { code: expected })

/** Bytes: a difference of thousands would be printed for long. */
export const bytes =
  (expected: Buffer): Expectation =>
  (outcome) => {
    if ('value' in outcome && ArrayBuffer.isView(outcome.value)) {
      const { buffer, byteOffset, byteLength } = outcome.value
      const actual = Buffer.from(buffer, byteOffset, byteLength)
      sameBytes(actual, expected)
    } else {
      assert.deepEqual(outcome, { value: expected })
    }
  }

export function sameBytes(actual: Buffer, expected: Buffer): void {
  if (actual.equals(expected)) return
  assert.equal(actual.length, expected.length, 'number of bytes')
  const at = actual.findIndex((byte, index) => byte !== expected[index])
  assert.fail(`byte ${at} is ${actual[at]}, not ${expected[at]}`)
}

export const stat =
  (node: Node): Expectation =>
  (outcome, witnessed) => {
    if (!('value' in outcome)) assert.fail(`${outcome.code} where a stat was expected`)
    sameStat(outcome.value as StatOutcome, node, witnessed)
  }

export function sameStat(actual: StatOutcome, node: Node, witnessed: Witnessed): void {
  const { uid, gid, rdev, nlink, busy, dax, kind, file, target } = node
  const { mode } = actual
  const seen = { mode, uid: actual.uid, gid: actual.gid, rdev: actual.rdev, nlink: actual.nlink }
  assert.deepEqual(seen, { mode: kindBitsOf(node) | node.mode, uid, gid, rdev, nlink })
  if (kind === 'file') assert.equal(actual.size, file.size, 'size')
  if (kind === 'symlink') assert.equal(actual.size, Buffer.byteLength(target), 'size')
  if (node.atimeNs !== undefined && actual.atimeNs !== undefined) assert.equal(actual.atimeNs, node.atimeNs, 'atime')
  if (node.mtimeNs !== undefined) assert.equal(actual.mtimeNs, node.mtimeNs, 'mtime')
  witnessed.sameInode(node, actual.ino)
  if (actual.changeCount === undefined) return
  assert.deepEqual({ busy: actual.busy, dax: actual.dax }, { busy, dax })
  witnessed.countGrows(node, actual.changeCount)
  const [least, most] = file.blocks
  const blocks = (actual.blocks * 512) / BLOCK
  assert.ok(least <= blocks && blocks <= most, `${blocks} blocks, not ${least} to ${most}`)
}

/** The first byte from `offset` on that is in a block ('data') or in none ('hole'). */
export const sought =
  ({ file }: Node, offset: number, what: 'data' | 'hole'): Expectation =>
  (outcome) => {
    const end = Math.ceil(file.size / BLOCK)
    const [passed, found] = what === 'data' ? (['hole', 'mapped'] as const) : (['mapped', 'hole'] as const)
    const mustPass = (from: number, to: number): void => {
      for (let block = Math.floor(from / BLOCK); block < to; block++)
        assert.notEqual(file.stateOf(block), found, `block ${block} is ${found}`)
    }
    if ('code' in outcome) {
      assert.equal(outcome.code, 'ENXIO')
      if (offset >= file.size) return
      assert.equal(what, 'data', 'EOF is a hole')
      return mustPass(offset, Math.min(end, LOOKED_AT))
    }
    assert.ok(offset < file.size, `sought from ${offset}, past the end, ${file.size}`)
    const at = outcome.value as number
    assert.ok(at === offset || at === file.size || (at > offset && at % BLOCK === 0), `sought from ${offset} to ${at}`)
    mustPass(offset, Math.min(Math.floor(at / BLOCK), LOOKED_AT))
    if (what === 'hole' && at === file.size) return
    assert.ok(at < file.size, `${at} is past the end, ${file.size}`)
    assert.notEqual(file.stateOf(Math.floor(at / BLOCK)), passed, `byte ${at} is ${passed}`)
  }

/** Blocks looked at one by one: files that are longer have nothing behind that is not near their end. */
const LOOKED_AT = 4096
