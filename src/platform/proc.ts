/** Files of /proc that may be gone, or hidden. */
import { readFileSync } from 'node:fs'

import { codeOf } from '../errors.ts'

/** The text of a file of /proc by its path there; `undefined` when its process is gone, or /proc hides it (hidepid). */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}
