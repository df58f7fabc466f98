/** `doctor`. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPool } from '../../src/index.ts'
import { fileSystemOf } from '../../src/platform/file-system.ts'
import { holdfast, mustJson, mustRun, temporaryDirectory } from './run-holdfast.ts'

interface CheckJson {
  isHealthy: boolean
  checks: { name: string; status: string; found: string; remedy?: string }[]
}

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

  assert.equal(statusOf('who may write'), 'ok')
  chmodSync(join(path, 'device'), 0o666)
  chmodSync(path, 0o777)
  const { checks: afterwards } = await mustJson<CheckJson>(['doctor', path])
  const { status, remedy } = afterwards.find(({ name }) => name === 'who may write') ?? {}
  assert.equal(status, 'warn')
  assert.match(remedy ?? '', new RegExp(`chmod o-w ${path} ${path}/device$`))

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
