/** Open files: of a kind that tells of its operations when somebody listens as they are opened; others pay nothing. */
import type { OperationMessage } from '../diagnostics.ts'
import { operations } from '../diagnostics.ts'
import { File } from './file.ts'
import type { FileOwner } from './open-file.ts'
import type { OpenMode } from './open-flags.ts'
import type { OpenInode } from '../files/open-inode.ts'

export const newFile = (owner: FileOwner, opened: OpenInode, mode: OpenMode, path: string): File =>
  operations.hasSubscribers ? new TracedFile(owner, opened, mode, path) : new File(owner, opened, mode, path)

class TracedFile extends File {
  /** What is told of an operation that begins. */
  about(operation: OperationMessage['operation']): OperationMessage {
    return { ...this.fs.table.teller, operation, path: this.path }
  }
}

const TRACED = [
  'pin',
  'sendTo',
  'read',
  'write',
  'sync',
  'truncate',
  'punchHole',
  'zeroRange',
  'collapseRange',
  'insertRange',
  'allocate',
  'copyFrom',
  'flushDma',
] as const satisfies readonly OperationMessage['operation'][]

for (const operation of TRACED) {
  const untraced = File.prototype[operation] as (...args: unknown[]) => Promise<unknown>
  const traced = function traced(this: TracedFile, ...args: unknown[]): Promise<unknown> {
    return operations.tracePromise(untraced, this.about(operation), this, ...args)
  }
  Object.defineProperty(TracedFile.prototype, operation, { value: traced, writable: true, configurable: true })
}
