/**
 * ETag and Last-Modified of a file.
 *
 * The tag is made of what tells one stored state of the file from every other: its inode (never used again in its pool),
 * its change count, which goes up with every change, and its time, in case the count was set back (a pool restored, a
 * transaction that a power failure took). It is weak: what is written in place, through a pin or a mount, is counted at the
 * writer's next close, sync or stat, and never when the writer is killed before it; until then two states have one tag.
 * Where files are only ever replaced (PUT, rename, writing a new file) nothing is written in place, and it may be called
 * strong.
 */
import type { Stat } from '../../pool/stat.ts'
import type { Validators } from './preconditions.ts'

export function validatorsOf(
  stat: Stat,
  { etag, lastModified }: { readonly etag: boolean | 'strong'; readonly lastModified: boolean },
): Validators {
  const ms = Number(stat.mtimeNs / 1_000_000n)
  const tag = `"${stat.ino.toString(36)}-${stat.changeCount.toString(36)}-${ms.toString(36)}"`
  return {
    etag: etag === false ? undefined : etag === 'strong' ? tag : `W/${tag}`,
    lastModified: lastModified ? new Date(ms).toUTCString() : undefined,
  }
}
