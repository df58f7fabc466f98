/** What the race lab is asked to do. */
import { checkChoice, invalidValue } from '../../errors.ts'
import type { BusyPolicy, DaxMode } from '../../metadata/metadata.ts'

export type LabIo = 'slow-client' | 'direct-read'
export type LabChange = 'truncate' | 'punch' | 'unlink'

export interface LabOrder {
  /** 'slow-client': blocks are sent to a socket; 'direct-read': a disk's bytes are read into them past the page cache. */
  readonly io: LabIo
  readonly change: LabChange
  readonly busy: BusyPolicy
  /** 'never': pins are bounce buffers, which hold no blocks, so that no policy is asked. Default 'always'. */
  readonly dax: DaxMode
}

/** TypeError: a word that is not one of these. */
export function orderOf({ io, change, busy, dax = 'always', ...rest }: Record<string, unknown>): LabOrder {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw invalidValue(unknown, 'is not known; there are io, change, busy and dax', rest[unknown])
  return {
    io: checkChoice('io', io, ['slow-client', 'direct-read']),
    change: checkChoice('change', change, ['truncate', 'punch', 'unlink']),
    busy: checkChoice('busy', busy, ['fail', 'wait', 'sequester']),
    dax: checkChoice('dax', dax, ['always', 'never']),
  }
}
