/** Which process serves a mount, and how it was told to: its command line says it. */
import { readdirSync, readFileSync } from 'node:fs'
import type { MountOptions } from './options.ts'
import { readArguments } from './server-arguments.ts'

/** Undefined: it is gone, or cannot be seen from here. `except`: a process that is about to serve one there itself. */
export function serverOf(
  path: string,
  except?: number,
): { readonly pid: number; readonly options: MountOptions } | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== except)) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const at = words.findIndex((word) => /[/]fuse[/]server-main\.[jt]s$/.test(word))
      if (at === -1 || words[at + 2] !== path) continue
      const { options } = readArguments(words[at + 3])
      return { pid: Number(pid), options }
    } catch {
      // gone meanwhile
    }
  }
  return undefined
}
