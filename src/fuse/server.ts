/**
 * The server of a mount: one more participant of the pool, which the kernel asks.
 *
 * Order of beginning: pool, mount, INIT. Order of ending: unmounted (or told to leave); requests that are still under way are
 * interrupted; what is open is closed; the pool is closed, which makes everything durable. A death anywhere leaves what
 * the death of any participant leaves, and a mount that says ENOTCONN until it is unmounted.
 */
import { closeSync } from 'node:fs'
import { openPool } from '../index.ts'
import { Solitude } from '../layout/solitude.ts'
import { attach, detach } from './attach.ts'
import { serve } from './loop.ts'
import { mustNotBeMounted } from './mount-point.ts'
import { createMounted, endMounted, operations, wantedFlags } from './operations.ts'
import type { MountOptions } from './options.ts'
import type { Mounted } from './request.ts'
import { Session } from './session.ts'

export interface ServerSettings {
  /** Path of the pool. */
  readonly pool: string
  /** Path of the directory, without symlinks. */
  readonly dir: string
  readonly options: MountOptions
}

export interface ServerEvents {
  /** The file system can be used. */
  readonly onReady: () => void
  /** Something to tell whoever looks after the mount. */
  readonly onTrouble: (words: string) => void
  /** The next step is to mount: from here on there is something to take off. */
  readonly onMount: () => void
  /** Aborted: leave at once, whoever uses the mount. They get ENOTCONN. */
  readonly leave: AbortSignal
}

/** Serves until the file system is unmounted and nobody uses it any more. Rejects when it cannot be mounted. */
export async function serveMount(settings: ServerSettings, events: ServerEvents): Promise<void> {
  const { dir, options } = settings
  const pool = await openPool(settings.pool, { readOnly: options.readOnly === true })
  try {
    const { metadata, table, isReadOnly } = pool.fileSystem
    const late = isReadOnly ? undefined : metadata.commitLate?.(new Solitude(table))
    // The starter has looked, too, but since then another one may have mounted.
    mustNotBeMounted(dir, { syscall: 'mount', path: dir })
    events.onMount()
    const fd = attach({ source: settings.pool, dir, options })
    let mounted: Mounted | undefined
    const session = new Session({
      fd,
      operations,
      wanted: wantedFlags(options),
      begin: (negotiated) => {
        mounted = createMounted({ pool, options, negotiated })
        // The kernel gets the answer in this turn, before whoever is told can ask.
        setImmediate(events.onReady)
        return mounted
      },
      onMistake: (error, opcode) =>
        events.onTrouble(
          `a mistake in Holdfast itself, in ${opcode}: ${error instanceof Error ? error.stack : String(error)}`,
        ),
    })
    try {
      await serve(session, fd, { leave: events.leave, late })
    } catch (error) {
      // Nobody serves it any more: better no mount than one that says ENOTCONN.
      await detach(dir, { lazy: true }).catch(() => undefined)
      throw error
    } finally {
      await session.end()
      closeSync(fd)
    }
    if (mounted !== undefined) await endMounted(mounted)
  } finally {
    await pool.close({ force: true })
  }
}
