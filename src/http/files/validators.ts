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
  const { strong, weak, date } = textsOf(stat)
  return {
    etag: etag === false ? undefined : etag === 'strong' ? strong : weak,
    lastModified: lastModified ? date : undefined,
  }
}

interface Texts {
  readonly changeCount: number
  readonly mtimeNs: bigint
  readonly strong: string
  readonly weak: string
  readonly date: string
}

/** By inode: dates are dear. Whatever pool it is of, the count and the time are looked at as well. */
const known = new Map<number, Texts>()
const MOST_KNOWN = 4096

function textsOf({ ino, changeCount, mtimeNs }: Stat): Texts {
  const before = known.get(ino)
  if (before?.changeCount === changeCount && before.mtimeNs === mtimeNs) return before
  const ms = Number(mtimeNs / 1_000_000n)
  const strong = `"${ino.toString(36)}-${changeCount.toString(36)}-${ms.toString(36)}"`
  const texts = { changeCount, mtimeNs, strong, weak: `W/${strong}`, date: new Date(ms).toUTCString() }
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(ino, texts)
  return texts
}
