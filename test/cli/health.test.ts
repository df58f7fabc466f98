/** `fsck` and `doctor`. */
import assert from 'node:assert/strict'
import { truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createPool } from '../../src/index.ts'
import { fileSystemOf } from '../../src/platform/file-system.ts'
import { holdfast, mustRun, temporaryDirectory } from './run-holdfast.ts'

interface CheckJson {
  isHealthy: boolean
  checks: { name: string; status: string; found: string; remedy?: string }[]
}

test('fsck -n ends with 0 for a sound pool and with 4 and the findings for a damaged one', async (t) => {
  const path = join(temporaryDirectory(t), 'pool')
  {
    await using pool = await createPool(path, { sizeBytes: 4 << 20 })
    await pool.writeFile('/file', Buffer.alloc(10_000, 1))
  }
  assert.equal((await mustRun(['fsck', '-n', path])).text, `${path}: sound\n`)

  const db = new DatabaseSync(join(path, 'meta.db'))
  db.exec('PRAGMA foreign_keys = OFF; UPDATE inodes SET blocks = blocks + 7 WHERE size = 10000')
  db.close()
  const [text, json] = await Promise.all([holdfast(['fsck', '-n', path]), holdfast(['fsck', '-n', path, '--json'])])
  assert.deepEqual([text.code, json.code], [4, 4])
  assert.match(text.text, /^inode-blocks: inode \d+ says 10 blocks and has 3\n.*: 1 errors?\n$/s)
  const { isSound, findings } = JSON.parse(json.text) as { isSound: boolean; findings: { code: string }[] }
  assert.deepEqual([isSound, findings.map(({ code }) => code)], [false, ['inode-blocks']])

  truncateSync(join(path, 'device'), 4096)
  const short = await holdfast(['fsck', '-n', path])
  assert.equal(short.code, 4, 'damage that keeps the pool from being opened is a finding, too')
  assert.match(short.text, /^device-size: /)
  assert.equal((await holdfast(['fsck', path])).code, 16, 'without a terminal there is nobody to ask')
  const repaired = await holdfast(['fsck', '-y', path])
  assert.equal(repaired.code, 1)
  assert.match(repaired.text, /repaired: .*2 errors, all repaired\n$/s)
  assert.equal((await mustRun(['fsck', '-n', path])).text, `${path}: sound\n`)
  assert.equal((await mustRun(['fsck', '--online', path])).text, `${path}: sound\n`)
  assert.equal((await holdfast(['fsck', '-n', `${path}-none`])).code, 8)
})

test('doctor says what works here, who has the pool open, and ends with 1 when something fails', async (t) => {
  const path = join(temporaryDirectory(t), 'pool')
  await using _ = await createPool(path, { sizeBytes: 4 << 20 })
  const { text } = await mustRun(['doctor', path, '--json'])
  const { isHealthy, checks } = JSON.parse(text) as CheckJson
  assert.equal(isHealthy, true)
  const statusOf = (name: string): string | undefined => checks.find((check) => check.name === name)?.status
  for (const name of ['node', 'platform', 'locks', 'mappings', 'space', 'pool'])
    assert.equal(statusOf(name), 'ok', name)
  const openIn = checks.find(({ name }) => name === 'open in')
  assert.equal(openIn?.status, 'warn')
  assert.match(openIn.found, new RegExp(`pid ${process.pid} `))
  assert.match(openIn.remedy ?? '', /let no other tool .* copy the directory now: meta\.db, meta\.db-wal and device/)

  const procfs = await holdfast(['doctor', '/proc'])
  assert.equal(procfs.code, 1)
  assert.match(procfs.text, /file system +fail .*\n +→ put the pool on ext4, XFS, btrfs or tmpfs/)
})

test('doctor tries the kernel’s long-term pins, and says where files cannot have them', async () => {
  const pinsIn = async (directory: string): Promise<CheckJson['checks'][number] | undefined> => {
    const { checks } = JSON.parse((await mustRun(['doctor', directory, '--json'])).text) as CheckJson
    return checks.find(({ name }) => name === 'long-term pins')
  }
  const [onMemory, here] = [await pinsIn('/dev/shm'), await pinsIn(tmpdir())]
  assert.ok(onMemory !== undefined && here !== undefined)
  if (onMemory.found.startsWith('unknown')) {
    assert.match(onMemory.found, /^unknown: io_uring /)
    assert.equal(onMemory.status, 'warn')
    return
  }
  assert.deepEqual(onMemory, { name: 'long-term pins', status: 'ok', found: 'the kernel takes them on files here' })
  if (fileSystemOf(tmpdir()).type === 'tmpfs') return
  assert.equal(here.status, 'warn')
  assert.match(here.found, /^the kernel refuses them on files here \(E[A-Z]+\)$/)
  assert.match(here.remedy ?? '', /io_uring registered buffers and RDMA, .* put the pool on tmpfs/)
})
