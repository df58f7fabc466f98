/** Caching: what the kernel may keep of a file's content (docs/internals/fuse.md has the table). */
import { storesElsewhere } from '../../layout/holders.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Mounted } from '../request.ts'
import { OpenFlag } from '../wire/open.ts'

/**
 * `cache=none`: nothing. `cache=auto`: what is in the page cache stays when the file's change count is the one of the last
 * open here, and nobody else, who could change bytes without a count, has it open or pinned.
 */
export function openFlagsOf({ fs, options, nodes }: Mounted, open: OpenInode): number {
  if (options.cache !== 'auto') return OpenFlag.directIo
  const isSame = nodes.hasSameContent(open.inode) && !open.hasNewContent
  return isSame && !storesElsewhere(fs.table, open.ino) ? OpenFlag.keepCache : 0
}
