/** What `doctor` finds out about a pool. */
import { statSync } from 'node:fs'
import type { Pool } from '../index.ts'
import { Slot } from '../layout/format.ts'
import { fileSystemOf } from '../platform/file-system.ts'
import { commandLine } from '../platform/process-identity.ts'
import { poolDirectory } from '../pool/pool-directory.ts'
import type { Check } from './check-host.ts'
import { messageOf } from './check-host.ts'
import { formatSize } from './sizes.ts'
import type { Run } from './verb.ts'
import { withPoolToRead } from './with-pool.ts'

/** Enough to know a process by. */
const COMMAND_CHARACTERS = 40

const COPY_LATER =
  'let no other tool (cp -r, rsync, a backup) copy the directory now: meta.db, meta.db-wal and device change one after ' +
  "the other, and the copies would not fit; use 'holdfast dump' or 'get -r', or wait until nobody has it open"
const COPY_NOW = "only now may other tools copy the directory; while the pool is open, use 'holdfast dump' or 'get -r'"

export async function checkPool(run: Run, path: string): Promise<Check[]> {
  try {
    return await withPoolToRead(run, path, async (pool) => [
      checkOpening(pool),
      checkPermissions(path),
      await checkRoom(pool),
      checkParticipants(pool),
    ])
  } catch (error) {
    run.signal.throwIfAborted()
    return [{ name: 'pool', status: 'fail', found: messageOf(error), remedy: `see 'holdfast fsck -n ${path}'` }]
  }
}

function checkOpening({ isReadOnly, properties: { formatVersion, uuid } }: Pool): Check {
  const name = 'pool'
  const found = `format ${formatVersion}, ${uuid}`
  if (!isReadOnly) return { name, status: 'ok', found: `opens; ${found}` }
  const remedy = 'this user may read the directory and not write it, so nothing can be pinned or changed'
  return { name, status: 'warn', found: `opens for reading only; ${found}`, remedy }
}

/** Who may write the directory is trusted with all that is in the pool (SECURITY.md). */
function checkPermissions(path: string): Check {
  const name = 'who may write'
  const { metadata, device, pins, table } = poolDirectory(path)
  const open = [path, metadata, device, pins, table].filter((part) => (statSync(part).mode & 0o002) !== 0)
  if (open.length === 0) return { name, status: 'ok', found: 'not everybody' }
  const remedy = `anybody on this machine can read and change every file of the pool; chmod o-w ${open.join(' ')}`
  return { name, status: 'warn', found: 'everybody', remedy }
}

/** A pool is sparse, so its host may have promised the same space to others. */
async function checkRoom(pool: Pool): Promise<Check> {
  const { sizeBytes, usedBytes } = await pool.stats()
  const { freeBytes } = fileSystemOf(pool.path)
  const name = 'room'
  if (freeBytes >= sizeBytes - usedBytes)
    return { name, status: 'ok', found: 'the host has all that the pool may want' }
  const found = `the host has ${formatSize(freeBytes)}, the pool may want ${formatSize(sizeBytes - usedBytes)}`
  return { name, status: 'warn', found, remedy: 'writes will fail with ENOSPC when the host is full; make room there' }
}

function checkParticipants({ fileSystem: { table } }: Pool): Check {
  const name = 'open in'
  const others: string[] = []
  for (const slot of table.attached()) {
    if (slot === table.own.index || table.reapIfDead(slot)) continue
    const pid = table.slot(slot).load(Slot.pid)
    others.push(`pid ${pid} ${commandLine(pid).slice(0, COMMAND_CHARACTERS)}`.trim())
  }
  if (others.length === 0) return { name, status: 'ok', found: 'nobody else', remedy: COPY_NOW }
  return { name, status: 'warn', found: others.join(', '), remedy: COPY_LATER }
}
