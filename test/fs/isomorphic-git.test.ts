/** isomorphic-git with a pool as its file system: clone, commit, branches, checkout; and git itself finds nothing wrong with it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import type { HttpClient } from 'isomorphic-git'
import git from 'isomorphic-git'
import { createFs } from '../../src/fs/index.ts'
import type { PoolFs } from '../../src/fs/index.ts'
import { temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const author = { name: 'A Reader', email: 'reader@example.org' }
const hasGit = spawnSync('git', ['--version']).status === 0

test('isomorphic-git makes a repository in a pool: commits, branches, merges, checks out', async (t) => {
  const fs = createFs(await temporaryPool(t, { sizeBytes: 16 << 20 }))
  const on = { fs, dir: '/repository' }
  await fs.promises.mkdir('/repository')
  await git.init({ ...on, defaultBranch: 'main' })
  const first = await commit(fs, '/repository', { 'a.txt': 'first\n', 'deep/b.txt': 'b\n' }, 'first')
  await git.branch({ ...on, ref: 'side', checkout: true })
  await commit(fs, '/repository', { 'side.txt': 'side\n' }, 'on the side')
  await git.checkout({ ...on, ref: 'main' })
  assert.deepEqual((await fs.promises.readdir('/repository')).toSorted(), ['.git', 'a.txt', 'deep'])
  await commit(fs, '/repository', { 'a.txt': 'second\n' }, 'second')
  await git.merge({ ...on, ours: 'main', theirs: 'side', author })
  await git.checkout({ ...on, ref: 'main' })
  assert.equal(await fs.promises.readFile('/repository/side.txt', 'utf8'), 'side\n')
  assert.deepEqual([...new Set((await git.log(on)).map((entry) => entry.commit.message.trim()))].toSorted(), [
    "Merge branch 'side' into main",
    'first',
    'on the side',
    'second',
  ])
  await git.checkout({ ...on, ref: first, force: true })
  assert.equal(await fs.promises.readFile('/repository/a.txt', 'utf8'), 'first\n')
  const matrix = await git.statusMatrix(on)
  assert.ok(
    matrix.every(([, head, workdir, stage]) => head === 1 && workdir === 1 && stage === 1),
    JSON.stringify(matrix),
  )
})

test('isomorphic-git clones a local repository into a pool, and git finds the clone sound', async (t) => {
  if (!hasGit) return t.skip('there is no git to clone from')
  const directory = temporaryDirectory(t)
  const origin = join(directory, 'origin')
  hostGit(directory, 'init', '--quiet', '--initial-branch', 'main', origin)
  nodeFs.mkdirSync(join(origin, 'src'))
  for (let nth = 0; nth < 30; nth++)
    nodeFs.writeFileSync(join(origin, 'src', `${nth}.txt`), `${nth}\n`.repeat(nth * 50))
  nodeFs.writeFileSync(join(origin, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
  nodeFs.symlinkSync('src/1.txt', join(origin, 'link'))
  hostGit(origin, 'add', '.')
  hostGit(origin, 'commit', '--quiet', '--message', 'all')

  const fs = createFs(await temporaryPool(t, { sizeBytes: 32 << 20 }))
  const on = { fs, dir: '/clone' }
  await git.clone({ ...on, http: uploadPackOf(origin), url: 'http://localhost/origin', ref: 'main' })
  assert.equal(await fs.promises.readFile('/clone/src/29.txt', 'utf8'), '29\n'.repeat(29 * 50))
  assert.equal(await fs.promises.readlink('/clone/link'), 'src/1.txt')
  assert.equal((await fs.promises.stat('/clone/run.sh')).mode & 0o111, 0o111)
  const made = await commit(fs, '/clone', { 'new.txt': 'made in the pool\n' }, 'in the pool')

  const copy = join(directory, 'copy')
  await copyToHost(fs, '/clone', copy)
  hostGit(copy, 'fsck', '--strict')
  assert.equal(hostGit(copy, 'rev-parse', 'HEAD').trim(), made)
  assert.equal(hostGit(copy, 'status', '--porcelain'), '')
})

async function commit(fs: PoolFs, dir: string, files: Record<string, string>, message: string): Promise<string> {
  for (const [filepath, content] of Object.entries(files)) {
    await fs.promises.mkdir(join(dir, filepath, '..'), { recursive: true })
    await fs.promises.writeFile(join(dir, filepath), content)
    await git.add({ fs, dir, filepath })
  }
  return git.commit({ fs, dir, message, author })
}

/** What `git http-backend` does, without a server: the smart protocol, by upload-pack. */
const uploadPackOf = (repository: string): HttpClient => ({
  async request({ url, method = 'GET', headers = {}, body }) {
    const isAsking = url.includes('info/refs')
    const child = spawn(
      'git',
      ['upload-pack', '--stateless-rpc', ...(isAsking ? ['--http-backend-info-refs'] : []), repository],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, GIT_PROTOCOL: headers['Git-Protocol'] ?? '' },
      },
    )
    const ended = once(child, 'close')
    for await (const part of body ?? []) child.stdin.write(part)
    child.stdin.end()
    const answer = await buffer(child.stdout)
    assert.deepEqual(await ended, [0, null])
    const service = Buffer.from('001e# service=git-upload-pack\n0000')
    const kind = isAsking ? 'advertisement' : 'result'
    return {
      url,
      method,
      statusCode: 200,
      statusMessage: 'OK',
      headers: { 'content-type': `application/x-git-upload-pack-${kind}` },
      body: (async function* () {
        yield isAsking ? Buffer.concat([service, answer]) : answer
      })(),
    }
  },
})

async function copyToHost(fs: PoolFs, from: string, to: string): Promise<void> {
  nodeFs.mkdirSync(to)
  for (const entry of await fs.promises.readdir(from, { withFileTypes: true })) {
    const [inside, outside] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyToHost(fs, inside, outside)
    else if (entry.isSymbolicLink()) nodeFs.symlinkSync(await fs.promises.readlink(inside), outside)
    else {
      const { mode } = await fs.promises.stat(inside)
      nodeFs.writeFileSync(outside, await fs.promises.readFile(inside), { mode })
    }
  }
}

function hostGit(cwd: string, ...args: string[]): string {
  const who = ['-c', `user.name=${author.name}`, '-c', `user.email=${author.email}`, '-c', 'safe.directory=*']
  const { status, stdout, stderr } = spawnSync('git', [...who, ...args], { cwd, encoding: 'utf8' })
  assert.equal(status, 0, `git ${args.join(' ')}: ${stderr}`)
  return stdout
}
