/** What the kernel may do with an open file: what it may cache of the content, and which requests it may spare. */
import { storesElsewhere } from '../../layout/holders.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Mounted } from '../request.ts'
import { OpenFlag } from '../wire/open.ts'

/**
 * `cache=none`: nothing. `cache=auto`: what is in the page cache stays when the file's change count is the one of the last
 * open here, and nobody else, who could change bytes without a count, has it open or pinned.
 */
function cachingOf({ fs, options, nodes }: Mounted, open: OpenInode): number {
  if (options.cache !== 'auto') return OpenFlag.directIo
  const isSame = nodes.hasSameContent(open.inode) && !open.hasNewContent
  return isSame && !storesElsewhere(fs.table, open.ino) ? OpenFlag.keepCache : 0
}

/** `sparesFlush`: there is nothing, or hardly anything, that would have to be stored before close(2) returns. */
export const openFlagsOf = (mounted: Mounted, open: OpenInode, sparesFlush: boolean): number =>
  cachingOf(mounted, open) | (sparesFlush ? OpenFlag.noFlush : 0)
