import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import type { Check } from '../posix/subject.ts'
import { lacks, run } from './run.ts'
import { growTree } from './tree.ts'

export function gitCases(check: Check): void {
  check('git commits, clones, packs and switches, and finds nothing wrong', async (at, t) => {
    if (lacks(t, 'git')) return
    const [origin, clone] = [at.path('origin'), at.path('clone')]
    const git = (directory: string, ...words: string[]): Promise<string> =>
      run(directory, 'git', '-c', 'advice.detachedHead=false', ...words)
    await git(at.directory, 'init', '--quiet', '--initial-branch=main', 'origin')
    growTree(`${origin}/tree`, 120)
    await git(origin, 'add', '--all')
    await git(origin, 'commit', '--quiet', '--message', 'a tree')
    for (let i = 0; i < 3; i++) {
      appendFileSync(`${origin}/tree/branch-0/twig-0/leaf 0 ü`, `line ${i}\n`)
      await git(origin, 'commit', '--quiet', '--all', '--message', `line ${i}`)
    }
    await git(at.directory, 'clone', '--quiet', '--no-hardlinks', 'origin', 'clone')
    assert.equal(await git(clone, 'status', '--porcelain'), '')
    assert.equal(readFileSync(`${clone}/tree/branch-0/twig-0/leaf 0 ü`, 'utf8'), 'line 0\nline 1\nline 2\n')
    await git(clone, 'checkout', '--quiet', 'HEAD~2')
    assert.equal(readFileSync(`${clone}/tree/branch-0/twig-0/leaf 0 ü`, 'utf8'), 'line 0\n')
    await git(clone, 'checkout', '--quiet', 'main')
    await git(clone, 'gc', '--quiet')
    for (const repository of [origin, clone]) assert.equal(await git(repository, 'fsck', '--full', '--strict'), '')
    rmSync(`${clone}/tree`, { recursive: true })
    await git(clone, 'checkout', '--quiet', '--', '.')
    assert.equal(await git(clone, 'status', '--porcelain'), '')
  })

  check('git clones by hard links', async (at, t) => {
    if (lacks(t, 'git')) return
    await run(at.directory, 'git', 'init', '--quiet', 'origin')
    growTree(at.path('origin/tree'), 20)
    await run(at.path('origin'), 'git', 'add', '--all')
    await run(at.path('origin'), 'git', 'commit', '--quiet', '--message', 'a tree')
    await run(at.directory, 'git', 'clone', '--quiet', '--local', 'origin', 'clone')
    assert.equal(await run(at.path('clone'), 'git', 'fsck', '--full'), '')
  })
}
