/**
 * The process that serves a mount: `server-main POOL DIR SETTINGS`, with a socket to whoever started it as descriptor 3.
 *
 * SIGTERM, SIGINT and SIGHUP unmount. While the mount is in use they do not: who uses it is told, and it goes on. When the
 * starter ends, however, a mount that belongs to it ends too, used or not; and so does one that is to outlive it, until the
 * starter has said that it knows of it: who was interrupted while it mounted has mounted nothing.
 *
 * Who is told to end before it mounts ends on the spot: a pool that was being opened takes a death. The mount is made in one
 * turn with the word that it is, so else it is there to be taken off.
 */
import { Socket } from 'node:net'
import { detach } from './attach.ts'
import { CONTROL_FD, plainError, tell } from './control.ts'
import { readArguments } from './server-arguments.ts'
import { serveMount } from './server.ts'
import { unmountOrSayWho } from './unmount.ts'

const [, , pool, dir, json] = process.argv
const { options, outlivesStarter } = readArguments(json)

// Never inside of what is mounted, nor in the way of unmounting what it was started in.
process.chdir('/')
const control = new Socket({ fd: CONTROL_FD })
const leaving = new AbortController()
const say = (words: string): void => void process.stderr.write(`holdfast: mount of ${pool} on ${dir}: ${words}\n`)

let isMounted = false
/** The starter knows. */
let isKnown = false

async function unmount(): Promise<void> {
  if (!isMounted) process.exit(1)
  await unmountOrSayWho(dir, false).catch((error: unknown) =>
    say(error instanceof Error ? error.message : String(error)),
  )
}

async function leave(): Promise<void> {
  if (outlivesStarter && isKnown) return
  if (!isMounted) process.exit(1)
  await detach(dir, { lazy: true }).catch(() => undefined)
  leaving.abort()
}

// The starter may be gone before it is told.
control.on('error', () => undefined)
control.on('close', () => void leave())
control.on('data', () => (isKnown = true))
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => void unmount())

try {
  await serveMount(
    { pool, dir, options },
    {
      onMount: () => (isMounted = true),
      onReady: () => tell(control, { ready: true }),
      onTrouble: say,
      leave: leaving.signal,
    },
  )
} catch (error) {
  process.exitCode = 1
  tell(control, { error: plainError(error) })
} finally {
  control.removeAllListeners('close')
  // Not `destroy`: what was told last is still on its way.
  control.end()
}
