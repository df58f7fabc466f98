/**
 * The names of the store against a plain model: a tree of objects. Any sequence of makings, links, renames, removals and
 * attributes, each done to both; the same errors, the same tree after each, every change marked in time, and the check
 * finds nothing. A failure prints its seed and path; HOLDFAST_SEED repeats it,
 * HOLDFAST_RUNS=1000 runs longer.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'

import { codeOf } from '../../src/errors.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { InodeKind, LastNameDecision, Metadata, RenameMode } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import { MarkWatch } from './mark-watch.ts'
import { fails, Node, Tree } from './plain-tree.ts'
import type { Answer, Fate } from './plain-tree.ts'
import { LATER, NOW, properties } from './subject.ts'
import type { MakeMetadata } from './subject.ts'
import { SEED } from '../support/seed.ts'

/** Which inode, of all there ever were, and which name. Numbers are taken modulo how many there are. */
const node = fc.nat(40)
const name = fc.constantFrom('a', 'b', 'c', 'lost+found')
const fate = fc.constantFrom<Fate>('orphan', 'gone', 'gone', 'refused')
const kind = fc.constantFrom<InodeKind>('file', 'file', 'directory', 'directory', 'symlink', 'fifo', 'character')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('create' as const), parent: node, name: fc.option(name), kind }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('link' as const), node, parent: node, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('unlink' as const), parent: node, name, fate }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('removeDirectory' as const), parent: node, name }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('rename' as const),
      parent: node,
      name,
      toParent: node,
      toName: name,
      mode: fc.constantFrom<RenameMode>('replace', 'replace', 'noReplace', 'exchange'),
      fate,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('attributes' as const), node, setsGroup: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('setXattr' as const),
      node,
      name: fc.constantFrom('user.a', 'user.b'),
      mode: fc.constantFrom('set' as const, 'create' as const, 'replace' as const),
      value: fc.nat(255),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('removeXattr' as const), node, name: fc.constantFrom('user.a', 'user.b') }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Of<Do extends Step['do']> = Extract<Step, { do: Do }>

class Run {
  readonly tree = new Tree()
  readonly #store: Metadata
  readonly #watch: MarkWatch

  constructor(store: Metadata, watch: MarkWatch) {
    this.#store = store
    this.#watch = watch
  }

  async apply(one: Step): Promise<void> {
    switch (one.do) {
      case 'create':
        return this.#create(one)
      case 'link':
        return this.#link(one)
      case 'unlink':
        return this.#unlink(one)
      case 'removeDirectory':
        return this.#removeDirectory(one)
      case 'rename':
        return this.#rename(one)
      case 'close':
        return this.#close(one)
      case 'attributes':
        return this.#attributes(one)
      case 'setXattr':
        return this.#setXattr(one)
      case 'removeXattr':
        return this.#removeXattr(one)
    }
  }

  async compare(): Promise<void> {
    const { tree } = this
    const store = this.#store
    for (const one of tree.nodes) {
      const inode = await store.inode(one.ino)
      assert.equal(inode === undefined, one.isGone)
      if (inode === undefined) continue
      const names = tree.namesOf(one)
      const links = tree.linksOf(one)
      assert.deepEqual([inode.kind, inode.nlink, inode.mode, inode.gid], [one.kind, links, one.mode, one.gid])
      const entries = [...one.entries].map(([own, child]) => ({ name: own, ino: child.ino, kind: child.kind }))
      assert.deepEqual(
        await store.entries(one.ino),
        entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      )
      for (const [own, child] of one.entries) assert.equal((await store.lookup(one.ino, own))?.ino, child.ino)
      const values = (await store.xattrs(one.ino)).map(async (own) => [own, (await store.xattr(one.ino, own))?.[0]])
      assert.deepEqual(new Map((await Promise.all(values)) as [string, number][]), one.xattrs)
      const path = await store.pathOf(one.ino)
      if (one === tree.root) assert.equal(path, '/')
      else if (names.length === 0) assert.equal(path, undefined)
      else assert.equal(this.#at(path!), one)
    }
    const files = tree.living.filter((one) => one.kind === 'file')
    const orphans = files.filter((one) => tree.namesOf(one).length === 0)
    assert.deepEqual(
      await store.orphans(),
      orphans.map(({ ino }) => ino),
    )
    assert.equal((await store.space()).files, files.length)
    assert.deepEqual(await store.check(), [])
  }

  #at(path: string): Node | undefined {
    let at: Node | undefined = this.tree.root
    for (const own of path.split('/').slice(1)) at = at?.entries.get(own)
    return at
  }

  #node(nth: number): Node {
    return this.tree.nodes[nth % this.tree.nodes.length]
  }

  /** Does to the store what the model has answered for already; then both must agree. */
  async #both<T>(answer: Answer, operation: () => Promise<T>): Promise<T | undefined> {
    const watched = () => this.#watch.watched(this.#store, operation)
    if ('code' in answer) {
      await assert.rejects(watched(), (error) => codeOf(error) === answer.code)
      return undefined
    }
    let result: T | undefined
    await this.#watch.watched(this.#store, async () => (result = await operation()))
    answer.done()
    return result
  }

  #decide(lot: Fate) {
    return this.#watch.noting((): LastNameDecision => {
      if (lot === 'orphan') return 'orphan'
      return lot === 'gone' ? { commit: true, sequester: [] } : { commit: false }
    })
  }

  async #create({ parent: nth, name: maybe, kind: wanted }: Of<'create'>): Promise<void> {
    const parent = this.#node(nth)
    const own = wanted === 'file' ? (maybe ?? undefined) : (maybe ?? 'a')
    const answer = this.tree.create(parent, own)
    const target = wanted === 'symlink' ? 'x' : undefined
    const request = { parent: parent.ino, name: own, kind: wanted, mode: 0o644, uid: 0, gid: 0, target, nowNs: NOW }
    let claimed: InodeNumber | undefined
    const claim = this.#watch.noting((ino: InodeNumber) => void (claimed = ino))
    const inode = await this.#both(answer, () => this.#store.create(request, claim))
    if (inode === undefined) return
    assert.equal(claimed, inode.ino)
    const givesGroup = (parent.mode & 0o2000) !== 0
    const mode = givesGroup && wanted === 'directory' ? 0o2644 : 0o644
    const made = new Node(inode.ino, { kind: wanted, gid: givesGroup ? parent.gid : 0, mode })
    this.tree.nodes.push(made)
    if (own !== undefined) parent.entries.set(own, made)
  }

  async #link({ node: nth, parent: nthParent, name: own }: Of<'link'>): Promise<void> {
    const one = this.#node(nth)
    const parent = this.#node(nthParent)
    const request = { ino: one.ino, parent: parent.ino, name: own, nowNs: LATER }
    await this.#both(this.tree.link(one, parent, own), () => this.#store.link(request))
  }

  async #unlink({ parent: nth, name: own, fate: lot }: Of<'unlink'>): Promise<void> {
    const parent = this.#node(nth)
    const answer = this.tree.unlink(parent, own, lot)
    const request = { parent: parent.ino, name: own, nowNs: LATER }
    const loss = await this.#both(answer, () => this.#store.unlink(request, this.#decide(lot)))
    this.#compareLoss(answer, loss)
  }

  async #removeDirectory({ parent: nth, name: own }: Of<'removeDirectory'>): Promise<void> {
    const parent = this.#node(nth)
    const request = { parent: parent.ino, name: own, nowNs: LATER }
    await this.#both(this.tree.removeDirectory(parent, own), () => this.#store.removeDirectory(request))
  }

  async #rename({ parent, name: own, toParent, toName, mode, fate: lot }: Of<'rename'>): Promise<void> {
    const from = this.#node(parent)
    const to = this.#node(toParent)
    const answer = this.tree.rename(from, own, to, toName, mode, lot)
    const request = { fromParent: from.ino, fromName: own, toParent: to.ino, toName, mode, nowNs: LATER }
    const loss = await this.#both(answer, () => this.#store.rename(request, this.#decide(lot)))
    this.#compareLoss(answer, loss)
  }

  /** The last close of a file without names. */
  async #close({ node: nth }: Of<'close'>): Promise<void> {
    const one = this.#node(nth)
    if (one.kind !== 'file') return
    const isOrphan = !one.isGone && this.tree.namesOf(one).length === 0
    const change = { ino: one.ino, remove: [], deleteInode: true, onlyIfOrphan: true, nowNs: LATER }
    const decide = this.#watch.noting(() => ({ commit: true, sequester: [] }) as const)
    const done = () => {
      if (isOrphan) one.isGone = true
    }
    const result = await this.#both({ done }, () => this.#store.changeLayout(change, decide))
    assert.equal(result?.committed, isOrphan)
  }

  async #attributes({ node: nth, setsGroup }: Of<'attributes'>): Promise<void> {
    const one = this.#node(nth)
    const done = () => {
      one.mode = setsGroup ? 0o2755 : 0o755
      one.gid = 42
    }
    const change = { mode: setsGroup ? 0o2755 : 0o755, gid: 42, nowNs: LATER }
    const answer = one.isGone ? fails('ENOENT') : { done }
    await this.#both(answer, () => this.#store.setAttributes(one.ino, change))
  }

  async #setXattr({ node: nth, name: own, mode, value }: Of<'setXattr'>): Promise<void> {
    const one = this.#node(nth)
    const isThere = one.xattrs.has(own)
    const done = () => void one.xattrs.set(own, value)
    let answer: Answer = { done }
    if (one.isGone) answer = fails('ENOENT')
    else if (mode === 'create' && isThere) answer = fails('EEXIST')
    else if (mode === 'replace' && !isThere) answer = fails('ENODATA')
    const options = { mode, nowNs: LATER }
    await this.#both(answer, () => this.#store.setXattr(one.ino, own, Uint8Array.of(value), options))
  }

  async #removeXattr({ node: nth, name: own }: Of<'removeXattr'>): Promise<void> {
    const one = this.#node(nth)
    let answer: Answer = { done: () => one.xattrs.delete(own) }
    if (one.isGone) answer = fails('ENOENT')
    else if (!one.xattrs.has(own)) answer = fails('ENODATA')
    await this.#both(answer, () => this.#store.removeXattr(one.ino, own, LATER))
  }

  #compareLoss(
    answer: Answer,
    loss: { committed: boolean; inode: { ino: InodeNumber } | undefined; isGone: boolean } | undefined,
  ): void {
    if (loss === undefined || 'code' in answer) return
    assert.deepEqual({ committed: loss.committed, ino: loss.inode?.ino, isGone: loss.isGone }, answer.says)
  }
}

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 15)

export function namesModelConformance(label: string, make: MakeMetadata): void {
  describe(`${label}: model of names`, () => {
    test('whatever is named, linked, renamed and removed, the tree is that of a plain model', async (t) => {
      t.diagnostic(`HOLDFAST_SEED=${SEED}`)
      const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const watch = new MarkWatch()
        const subject = await make(properties(16), watch)
        try {
          const now = { gid: 0, mode: 0o755, nowNs: NOW }
          await subject.metadata.setAttributes(ROOT_INODE, now)
          await subject.metadata.setAttributes(LOST_AND_FOUND_INODE, { ...now, mode: 0o700 })
          const run = new Run(subject.metadata, watch)
          for (const one of steps) {
            await run.apply(one)
            await run.compare()
          }
        } finally {
          await subject.dispose()
        }
      })
      await fc.assert(property, { seed: SEED, numRuns: RUNS })
    })
  })
}
