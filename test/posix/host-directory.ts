/** Directories of the host as subjects of the suite. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noDisk } from '../support/temporary-pool.ts'
import type { Ability, Subject } from './subject.ts'

const LACKS: Record<'disk' | 'tmpfs', Partial<Record<Ability, string>>> = {
  disk: {},
  tmpfs: {
    zeroRange: 'tmpfs has no FALLOC_FL_ZERO_RANGE',
    cleanTail: 'tmpfs keeps what was stored beyond the end; POSIX lets it',
  },
}

export function temporaryDirectoryOf(kind: 'disk' | 'tmpfs'): Subject {
  return directoryIn(kind === 'tmpfs' ? '/dev/shm' : tmpdir(), LACKS[noDisk() === false ? kind : 'tmpfs'])
}

/** A directory that everybody may look into; removed when released. */
export function directoryIn(parent: string, lacks: Subject['lacks'] = {}): Subject {
  const directory = mkdtempSync(join(parent, 'holdfast-test-'))
  chmodSync(directory, 0o755)
  return { directory, lacks, release: () => rmSync(directory, { recursive: true, force: true }) }
}
