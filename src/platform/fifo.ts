/**
 * Named pipes. Callers: the pin table, which keeps one a slot as its doorbell.
 */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'

import { callFailed, libc } from './libc.ts'

/** Makes a named pipe with exactly these permissions, whatever the umask. Throws as mkfifo(3): EEXIST, ENOENT, EACCES. */
export function makeFifo(path: string, mode: number): void {
  assert(!path.includes('\0'), 'a path has no NUL')
  if (libc().mkfifo(path, mode) === -1) {
    throw callFailed('a named pipe could not be made', { syscall: 'mkfifo', path })
  }
  chmodSync(path, mode)
}
