/**
 * A truncate that waits, as Linux does, but says for whom, ends in time, and can be called off.
 *
 *   node examples/patient-truncate.ts
 *
 * In a program of yours the import reads `from 'holdfast'`.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPool } from '../src/index.ts'
import type { HoldfastError } from '../src/index.ts'

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 8 << 20, busy: 'wait' })
  await pool.writeFile('/log', Buffer.alloc(1 << 20, 'line\n'))
  await using file = await pool.open('/log', 'r+')
  const pin = await file.pin({ offset: 0, length: 4096, mode: 'read' })

  // It ends in time, and the error names the holders. A range that nobody pins does not wait at all.
  const late = await failure(file.truncate(0, { timeoutMs: 100 }))
  const [holder] = late.holders ?? []
  console.log(`${late.code}: bytes ${holder.offset}-${holder.offset! + holder.length!} are pinned by pid ${holder.pid}`)
  await file.truncate(4096, { timeoutMs: 100 })
  console.log(`what lies behind the pin went at once: ${(await file.stat()).size} bytes are left`)

  // It can be called off. Nothing has changed then.
  const controller = new AbortController()
  const waiting = failure(file.truncate(0, { signal: controller.signal }))
  controller.abort()
  console.log(`${(await waiting).name}: still ${(await file.stat()).size} bytes`)

  // The release wakes it.
  const truncated = file.truncate(0)
  pin.release()
  await truncated
  console.log(`released: ${(await file.stat()).size} bytes`)
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** What the change was refused with. */
async function failure(change: Promise<void>): Promise<HoldfastError> {
  const error: unknown = await change.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof Error)
  return error as HoldfastError
}
