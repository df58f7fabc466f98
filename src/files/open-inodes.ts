/**
 * Open inodes: which files this participant has open, and what follows from the last close.
 *
 * Concurrency (unlink while open, across processes). The opener publishes its "open" record, then looks whether the
 * inode is still linked. The unlinker commits nlink 0, then looks at all "open" records. One of the two sees the other:
 * either the opener gives up (ENOENT), or the unlinker leaves the content to the opener's last close. The last closer
 * takes its record back, then looks for others; two last closers may both find none, the deletion is one transaction
 * that happens once. Who dies with a file open leaves the orphan to whoever reaps it.
 */
import { breakLayout } from '../layout/break-layout.ts'
import { RecordKind } from '../layout/format.ts'
import { systemError } from '../errors.ts'
import type { Inode } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import { DEFAULT_TIMEOUT_MS } from './file-system.ts'
import { OpenInode } from './open-inode.ts'
import { storeTimes, trimPreallocation } from './growth.ts'

export class OpenInodes {
  readonly #byNumber = new Map<InodeNumber, OpenInode>()

  /** Opens one more handle. ENOENT when the inode lost its last name before we could claim it. */
  async open(fs: FileSystem, inode: Inode, path: string): Promise<OpenInode> {
    let open = this.#byNumber.get(inode.ino)
    if (open === undefined) {
      open = new OpenInode(inode, fs.device)
      this.#byNumber.set(inode.ino, open)
      open.openRecord = publishOpen(fs, inode.ino)
    }
    open.handles++
    if (await open.refresh(fs.table, fs.metadata)) {
      if (open.inode.nlink > 0) return open
    }
    await this.close(fs, open)
    throw systemError('ENOENT', 'the file was removed while it was being opened', { syscall: 'open', path })
  }

  /** What is open of an inode, if anything. */
  get(ino: InodeNumber): OpenInode | undefined {
    return this.#byNumber.get(ino)
  }

  get all(): Iterable<OpenInode> {
    return this.#byNumber.values()
  }

  /** Closes one handle. At the last: times are stored, preallocation trimmed, an orphan's content goes when nobody else has it open. */
  async close(fs: FileSystem, open: OpenInode): Promise<void> {
    open.handles--
    if (open.handles > 0) return
    try {
      await storeTimes(fs, open)
      if (open.handles === 0 && open.hasPreallocation) await trimPreallocation(fs, open)
    } finally {
      // Somebody may have opened it again meanwhile, and even closed it: then it is done.
      if (open.handles === 0 && this.#byNumber.get(open.ino) === open) {
        this.#byNumber.delete(open.ino)
        fs.table.own.release(open.openRecord)
        await removeIfOrphan(fs, open.ino)
      }
    }
  }
}

function publishOpen(fs: FileSystem, ino: InodeNumber): number {
  const sinceMs = fs.table.clock.coarseMs()
  const claim = { kind: RecordKind.open, flags: 0, ino, offset: 0, length: 0, sinceMs, edges: 0 }
  const record = fs.table.own.publish(claim, [])
  fs.table.own.grant(record)
  return record
}

/**
 * The last layout change of a file: its content goes when it has no name and nobody has it open. Always as `sequester`:
 * a close must neither fail nor wait, and what is pinned stays in lost+found until its I/O ends.
 */
export async function removeIfOrphan(fs: FileSystem, ino: InodeNumber): Promise<void> {
  const inode = await fs.metadata.inode(ino)
  if (inode === undefined || inode.nlink > 0 || fs.table.isOpenAnywhere(ino)) return
  const result = await breakLayout(fs, {
    ino,
    start: 0,
    end: MAX_FILE_SIZE,
    deleteInode: true,
    onlyIfOrphan: true,
    busy: 'sequester',
    limits: { deadlineMs: fs.table.clock.nowMs() + DEFAULT_TIMEOUT_MS },
    syscall: 'close',
  })
  if (result?.committed === true) fs.freed()
}

/** Orphans whose last holder died: their content goes. Called when somebody was reaped. */
export async function removeOrphans(fs: FileSystem): Promise<void> {
  for (const ino of await fs.metadata.orphans()) await removeIfOrphan(fs, ino)
}
