/**
 * A long-term holder: it keeps a buffer in the file's own blocks, as one that is registered with a device, under a layout
 * lease. Whoever wants to change the layout meanwhile asks; the holder finishes, lets go, and the change goes on.
 *
 *   node examples/long-term-holder.ts
 *
 * In a program of yours the import reads `from 'holdfast'`. The two openings of the pool here may as well be two processes.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createPool, openPool } from '../src/index.ts'
import type { HoldfastError, Lease, Pin } from '../src/index.ts'

const RING = { offset: 0, length: 64 << 10 }

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 8 << 20, leaseBreakTimeMs: 5000 })
  await pool.writeFile('/ring', Buffer.alloc(256 << 10, 'data'))
  await using file = await pool.open('/ring', 'r+')
  await using other = await openPool(join(directory, 'pool'))

  // Pins that last are for those who can be asked to let go.
  const refused = await failure(file.pin({ ...RING, mode: 'write', longTerm: true }))
  console.log(`without a lease: ${refused.code}`)

  // The holder's answer: finish what is under way in the blocks, release the pin, release the lease.
  const registered: Pin[] = []
  const answer = async (lease: Lease): Promise<void> => {
    await pause(20)
    for (const pin of registered) pin.release()
    await lease.release()
  }
  const lease = await file.lease({
    type: 'layout',
    ...RING,
    onRecall: ({ offset, length, cause, deadlineMs }, asked) => {
      const seconds = Math.round((deadlineMs - Date.now()) / 1000)
      console.log(`recalled for a ${cause} of bytes ${offset}-${offset + length}, ${seconds} s to answer`)
      return answer(asked)
    },
  })
  registered.push(await file.pin({ ...RING, mode: 'write', longTerm: true }))
  console.log(`with a lease: ${registered[0].length} bytes registered`)

  // Beside the range nobody is asked; in it the change waits for the answer, and finds nothing held.
  await other.punchHole('/ring', 128 << 10, 64 << 10)
  console.log(`after a punch behind it the lease is ${lease.state}`)
  await other.truncate('/ring', 4096)
  console.log(`after a truncate it is ${lease.state}, ${(await other.stats()).sequesteredBytes} bytes are sequestered`)

  // Who does not answer is revoked at its break time: its views are empty, its blocks stay until it lets go.
  await other.writeFile('/ring', Buffer.alloc(256 << 10, 'data'))
  const silent = await file.lease({ type: 'layout', ...RING, breakTimeMs: 100, onRecall: () => undefined })
  const pin = await file.pin({ ...RING, mode: 'read', longTerm: true })
  await other.truncate('/ring', 0)
  while (silent.state !== 'revoked') await pause(10)
  const { sequesteredBytes } = await other.stats()
  console.log(`silent: ${silent.state}, a view of ${viewBytes(pin)} bytes, ${sequesteredBytes} bytes are sequestered`)
  pin.release()
  await silent.release()
  console.log(`released: ${(await other.stats()).sequesteredHeldBytes} bytes are held`)
} finally {
  await rm(directory, { recursive: true, force: true })
}

function viewBytes(pin: Pin): number {
  return pin.buffers.reduce((bytes, view) => bytes + view.length, 0)
}

/** What was refused. */
async function failure(action: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof Error)
  return error as HoldfastError
}
