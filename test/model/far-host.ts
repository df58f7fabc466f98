/** A file system of the host that another process is asked to use, by way of node:fs. */
import type { Participant } from '../support/participant.ts'
import type { Model } from './model.ts'
import { MOST_READ } from './model-state.ts'
import type { OnHost } from './on-host.ts'
import type { Operation } from './operations.ts'
import type { Performer } from './two-sides.ts'

const ON_HOST = new URL('on-host.ts', import.meta.url).href
/** Beyond this the host goes on where a pool says EFBIG: its sizes are 64 bit numbers. */
const LARGEST = 2 ** 45

export interface FarHost extends Performer {
  /** Everything is gone. */
  clear(): Promise<void>
}

/** The directory becomes the root of that process. undefined: it may not have a root directory of its own. */
export async function enterHost(process: Participant, directory: string): Promise<FarHost | undefined> {
  const isAllowed = await process.run(
    async (here, url, root) => {
      const { OnHost: Host } = await here.load<typeof import('./on-host.ts')>(url)
      here.kept['host'] = Host.enter(root)
      return here.kept['host'] !== undefined
    },
    ON_HOST,
    directory,
  )
  if (!isAllowed) return undefined
  return {
    perform: (operation) => process.run((here, what) => (here.kept['host'] as OnHost).perform(what), operation),
    clear: () => process.run((here) => (here.kept['host'] as OnHost).clear()),
  }
}

/** What can be asked of a host, when it is to answer as a pool. */
export function isPossibleOnHost(operation: Operation, model: Model): boolean {
  if (Object.values(operation).some((given) => typeof given === 'number' && given > LARGEST)) return false
  // libc goes from name to name by itself.
  if (operation.op === 'realpath' && operation.path.length > 4000) return false
  // The host would fill the holes of a large file.
  return operation.op !== 'copyFile' || model.sizeAt(operation.path) <= MOST_READ
}
