/** Directories: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR. What a handle sees: open-directory.ts. */
import type { InodeKind } from '../../metadata/metadata.ts'
import { TYPE_BITS } from '../../pool/kinds.ts'
import type { InodeNumber } from '../../units.ts'
import { OpenDirectory } from '../open-directory.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY, reply } from '../request.ts'
import { readRead } from '../wire/data.ts'
import { DirectoryReply } from '../wire/directory-entries.ts'
import { readRelease } from '../wire/open.ts'
import { answerOpened, currentInode, entryOf, found, inodeNow } from './inodes.ts'

export const opendir: Operation = ({ fs, handles }, { nodeId }) =>
  answerOpened({ handle: handles.directories.add(new OpenDirectory(fs, nodeId)), openFlags: 0 })

export const releasedir: Operation = ({ handles }, { body }) => {
  handles.directories.take(readRelease(body).handle)
  return EMPTY
}

export const readdir: Operation = (mounted, request) => list(mounted, request, 'plain')

/** With attributes, each a lookup. */
export const readdirplus: Operation = (mounted, request) => list(mounted, request, 'plus')

/** Offsets: 0 is '.', 1 is '..', and from 2 on the entries follow. */
const DOTS = 2

async function list(mounted: Mounted, request: Request, kind: 'plain' | 'plus'): Promise<Reply> {
  const { handle, offset, size } = readRead(request.body)
  const directory = mounted.handles.directories.get(handle)
  const answer = new DirectoryReply(size, kind)
  if (offset === 0) directory.rewind()
  const addDot = (ino: InodeNumber, at: number): boolean =>
    answer.add({ ino, nextOffset: at + 1, name: at === 0 ? '.' : '..', mode: TYPE_BITS.directory })
  if (offset === 0) addDot(directory.ino, 0)
  if (offset <= 1) addDot(await directory.parent(), 1)
  for (let at = Math.max(offset, DOTS); ; at++) {
    const entry = directory.known(at - DOTS) ?? (await directory.at(at - DOTS))
    if (entry === undefined || !(await addEntry(mounted, request, answer, entry, at + 1, kind))) break
  }
  return reply(answer.bytes)
}

/** False: it does not fit. */
async function addEntry(
  mounted: Mounted,
  request: Request,
  answer: DirectoryReply,
  { ino, name, kind: inodeKind }: { ino: InodeNumber; name: string; kind: InodeKind },
  nextOffset: number,
  kind: 'plain' | 'plus',
): Promise<boolean> {
  const item = { ino, nextOffset, name, mode: TYPE_BITS[inodeKind] }
  if (kind === 'plain') return answer.add(item)
  const inode = inodeNow(mounted, ino) ?? (await currentInode(mounted, request, ino))
  // Gone since the portion was read: then the name is not there any more, or leads elsewhere by now.
  if (inode === undefined) return true
  if (!answer.addPlus(item, entryOf(mounted, inode))) return false
  found(mounted, { parent: request.nodeId, name }, inode)
  return true
}
