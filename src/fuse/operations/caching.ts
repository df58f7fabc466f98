/** What the kernel may do with an open file: what it may cache of the content, and which requests it may spare. */
import { companyOf, storesElsewhere } from '../../layout/holders.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Mounted } from '../request.ts'
import { OpenFlag } from '../wire/open.ts'

/**
 * `cache=none`: nothing. `cache=auto`: what is in the page cache stays when the file's change count is the one of the last
 * open here, and nobody else could have changed bytes without a count since: by then nobody had it open or pinned, nor has
 * it now, nor has anybody come or gone. Who comes and goes between two opens, and dies, is seen by that; who was there and
 * dies, too. It is looked at before the records are, and after: a death in between takes its records along.
 */
function cachingOf({ fs, options, nodes }: Mounted, open: OpenInode): number {
  if (options.cache !== 'auto') return OpenFlag.directIo
  const company = companyOf(fs.table)
  const isSame = nodes.hasSameContent(open.inode, company) && !open.hasNewContent
  if (storesElsewhere(fs.table, open.ino) || companyOf(fs.table) !== company) nodes.hasUnknownContent(open.ino)
  else if (isSame) return OpenFlag.keepCache
  return 0
}

/** `sparesFlush`: there is nothing, or hardly anything, that would have to be stored before close(2) returns. */
export const openFlagsOf = (mounted: Mounted, open: OpenInode, sparesFlush: boolean): number =>
  cachingOf(mounted, open) | (sparesFlush ? OpenFlag.noFlush : 0)

/** Of a file that is made: nothing of it is in the page cache. */
export const openFlagsOfNew = ({ options }: Mounted): number =>
  options.cache === 'auto' ? OpenFlag.noFlush : OpenFlag.directIo | OpenFlag.noFlush
