import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import type { Check } from '../posix/subject.ts'
import { lacks, run } from './run.ts'
import { growTree } from './tree.ts'

const FILES = 200

/** Of all that is in `directory`: names, kinds, modes, links, sizes, times to the nanosecond, and sums of the content. */
async function portraitOf(directory: string): Promise<string[]> {
  const attributes = await run(directory, 'find', '.', '-printf', '%P %y %#m %n %s %T@ %l\n')
  const sums = await run(directory, 'find', '.', '-type', 'f', '-exec', 'sha256sum', '{}', '+')
  // Sizes of directories are the business of the file system.
  return `${attributes.replaceAll(/^(.* d \S+ \d+) \d+/gm, '$1')}${sums}`.split('\n')
}

/** That both have the same; a difference is told line by line. */
async function sameTrees(first: string, second: string): Promise<void> {
  const [here, there] = [new Set(await portraitOf(first)), new Set(await portraitOf(second))]
  assert.deepEqual([...here.difference(there)], [], `only in ${first}`)
  assert.deepEqual([...there.difference(here)], [], `only in ${second}`)
}

/** Programs that copy trees with all that belongs to them. */
export function archiveCases(check: Check): void {
  check('tar packs a tree and unpacks it, and the two are the same', async (at, t) => {
    if (lacks(t, 'tar')) return
    growTree(at.path('tree'), FILES)
    await run(at.directory, 'tar', '--format=posix', '-cf', 'tree.tar', 'tree')
    mkdirSync(at.path('copy'))
    await run(at.path('copy'), 'tar', '-xpf', '../tree.tar')
    await sameTrees(at.path('copy/tree'), at.path('tree'))
    await run(at.path('copy'), 'tar', '--compare', '--file', '../tree.tar')
  })

  check('tar keeps the holes of a sparse file', async (at, t) => {
    if (lacks(t, 'tar')) return
    await run(at.directory, 'dd', 'if=/dev/zero', 'of=sparse', 'bs=4096', 'count=1', 'seek=10000', 'status=none')
    await run(at.directory, 'tar', '--sparse', '-cf', 'sparse.tar', 'sparse')
    mkdirSync(at.path('copy'))
    await run(at.path('copy'), 'tar', '-xf', '../sparse.tar')
    assert.equal(await run(at.directory, 'cmp', 'sparse', 'copy/sparse'), '')
    assert.ok(Number(await run(at.directory, 'stat', '--format=%b', 'copy/sparse')) < 100)
    assert.ok(Number(await run(at.directory, 'stat', '--format=%s', 'sparse.tar')) < 100_000)
  })

  check('cp --archive copies a tree, and the two are the same', async (at) => {
    growTree(at.path('tree'), FILES)
    await run(at.directory, 'cp', '--archive', 'tree', 'copy')
    await sameTrees(at.path('copy'), at.path('tree'))
    await run(at.directory, 'rm', '--recursive', 'tree')
    await run(at.directory, 'mv', 'copy', 'tree')
    assert.equal(
      (await run(at.path('tree'), 'find', '.', '-type', 'f', '-links', '2')).trim().split('\n').length,
      FILES / 5,
    )
  })

  check('rsync copies a tree, finds nothing to do the second time, and only the change the third', async (at, t) => {
    if (lacks(t, 'rsync')) return
    growTree(at.path('tree'), FILES)
    const rsync = (...words: string[]): Promise<string> =>
      run(
        at.directory,
        'rsync',
        '--archive',
        '--hard-links',
        '--itemize-changes',
        '--delete',
        ...words,
        'tree/',
        'copy/',
      )
    await rsync()
    await sameTrees(at.path('copy'), at.path('tree'))
    assert.equal(await rsync('--checksum'), '')
    at.file('tree/branch-0/twig-0/leaf 0 ü', 'changed')
    await run(at.path('tree'), 'rm', 'branch-1/twig-0/leaf 1 ü')
    const changes = (await rsync('--inplace')).trim().split('\n')
    assert.ok(
      changes.some((line) => /^>f.* branch-0\/twig-0\/leaf 0/.test(line)) &&
        changes.some((line) => /deleting/.test(line)),
    )
    assert.equal(await run(at.directory, 'diff', '--recursive', '--no-dereference', 'tree', 'copy'), '')
  })
}
