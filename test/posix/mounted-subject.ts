/** Mounted pools as subjects of the suites. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mount } from '../../src/fuse/index.ts'
import type { MountOptions } from '../../src/fuse/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { whyNoMount } from '../support/mounted-pool.ts'
import { checkSound } from '../support/stamps.ts'
import type { Subject } from './subject.ts'

/** A pool of 256 MiB. Its release sees that the pool is sound. */
export async function mountedSubject(options: MountOptions = {}): Promise<Subject | string> {
  const why = whyNoMount()
  if (why !== false) return why
  const root = mkdtempSync('/dev/shm/holdfast-test-')
  // Other users of the suite go through it.
  chmodSync(root, 0o755)
  const [path, directory] = [join(root, 'pool'), join(root, 'mounted')]
  mkdirSync(directory)
  await (await createPool(path, { sizeBytes: 256 << 20 })).close()
  const mounted = await mount(path, directory, { allowOther: true, ...options })
  return {
    directory,
    release: async () => {
      await mounted.unmount()
      await using pool = await openPool(path)
      await checkSound(pool)
      rmSync(root, { recursive: true })
    },
  }
}
