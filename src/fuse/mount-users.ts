/**
 * Who uses a mount: which processes have their working directory, root, program or an open file in it, as fuser(1) finds
 * out. Only links of /proc are read; nothing asks the mount itself, whose server may be busy or dead.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { commandLine } from '../platform/process-identity.ts'

export interface MountUser {
  readonly pid: number
  readonly command: string
  /** The first that was found. */
  readonly path: string
}

/** Processes that this one may look at. Some ms for hundreds of processes. */
export function mountUsers(dir: string): MountUser[] {
  const isInside = (path: string | undefined): path is string =>
    path !== undefined && (path === dir || path.startsWith(`${dir}/`))
  const users: MountUser[] = []
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const path = linksOf(name).find(isInside)
    if (path !== undefined) users.push({ pid: Number(name), command: commandLine(Number(name)), path })
  }
  return users
}

/** `pid 12 (bash) at /mnt/a, pid 14 (vim b) at /mnt/b`; at most five. */
export function describeMountUsers(users: readonly MountUser[]): string {
  const shown = users.slice(0, 5).map(({ pid, command, path }) => `pid ${pid} (${command}) at ${path}`)
  const more = users.length > shown.length ? [`${users.length - shown.length} more`] : []
  return [...shown, ...more].join(', ')
}

function* linksOf(process: string): Generator<string | undefined> {
  for (const link of ['cwd', 'root', 'exe']) yield linkOf(`/proc/${process}/${link}`)
  for (const folder of ['fd', 'map_files']) {
    for (const entry of entriesOf(`/proc/${process}/${folder}`)) yield linkOf(`/proc/${process}/${folder}/${entry}`)
  }
}

/** Processes come and go, and not all may be looked at: what cannot be read is passed over. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
