/** What a server is told on its command line, as JSON. */
import type { MountOptions } from './options.ts'

export interface ServerArguments {
  readonly options: MountOptions
  /** The mount stays when whoever started it ends, once it has said so (control.ts). */
  readonly outlivesStarter: boolean
}

/** JSON has no Infinity and says null; nothing else of it is. */
export function readArguments(json: string): ServerArguments {
  const { options, outlivesStarter } = JSON.parse(json) as ServerArguments
  const isEndless = (options.timeoutMs as unknown) === null
  return { options: isEndless ? { ...options, timeoutMs: Infinity } : options, outlivesStarter }
}
