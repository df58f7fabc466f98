/**
 * Attributes that files of lost+found have without anybody having set them (promise 11): where their blocks come from, and
 * who holds them.
 *
 *   user.holdfast.origin    {"inode":12,"name":"video.bin"}: the file they were taken from, and the name it had
 *   user.holdfast.range     {"offset":0,"length":4096}: the bytes of it
 *   user.holdfast.holders   [{"pid":17,"command":"node server.js","kind":"pin",…}]: empty when nobody does any more. Of more
 *                           than an attribute has room for the last is {"more":1200}
 */
import type { Holder } from '../../errors.ts'
import { systemError } from '../../errors.ts'
import { holderOf } from '../../layout/holders.ts'
import { heldBy } from '../../layout/lost-and-found.ts'
import type { LostAndFoundEntry } from '../../metadata/metadata.ts'
import { XATTR_SIZE_MAX } from '../../metadata/metadata.ts'
import type { InodeNumber } from '../../units.ts'
import type { Mounted } from '../request.ts'

const VALUES: Readonly<Record<string, (mounted: Mounted, entry: LostAndFoundEntry) => unknown>> = {
  'user.holdfast.holders': ({ fs }, entry) =>
    fitting(heldBy(fs, entry).map((claim) => holderOf(fs.table, fs.witness, claim))),
  'user.holdfast.origin': (_, { originInode, originName }) => ({ inode: originInode, name: originName }),
  'user.holdfast.range': (_, { offset, length }) => ({ offset, length }),
}

/** Bytes of `{"more":…}` and the brackets, at most. */
const REST_BYTES = 32

/** The first of them, so that their JSON is no longer than Linux lets an attribute be, and how many there are more. */
function fitting(holders: readonly Holder[]): readonly unknown[] {
  let room = XATTR_SIZE_MAX - REST_BYTES
  const shown = holders.findIndex((holder) => (room -= Buffer.byteLength(JSON.stringify(holder)) + 1) < 0)
  return shown === -1 ? holders : [...holders.slice(0, shown), { more: holders.length - shown }]
}

export const isVirtual = ({ nodes }: Mounted, ino: InodeNumber, name: string): boolean =>
  nodes.isLost(ino) && Object.hasOwn(VALUES, name)

export const virtualNames = ({ nodes }: Mounted, ino: InodeNumber): readonly string[] =>
  nodes.isLost(ino) ? Object.keys(VALUES) : []

/** The value, JSON. ENODATA: the file was reclaimed. */
export async function virtualXattr(mounted: Mounted, ino: InodeNumber, name: string): Promise<Buffer> {
  const entry = (await mounted.fs.metadata.lostAndFound()).find((each) => each.ino === ino)
  if (entry === undefined)
    throw systemError('ENODATA', 'the file was reclaimed', { syscall: 'getxattr', path: `inode ${ino}` })
  return Buffer.from(JSON.stringify(VALUES[name](mounted, entry)))
}
