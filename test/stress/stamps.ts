/**
 * Stamps of the stress: each 8 bytes of a file say whose they are (inode, block of the file) and of which write. The two
 * halves are written and read as one aligned word, so only the generation may differ between the words of a block that
 * somebody is writing to.
 */
const BLOCK = 4096
export const WORDS = BLOCK / 8

/** Inode and block, never 0. */
const placeOf = (ino: number, block: number): number => ((ino << 9) | (block + 1)) >>> 0

/** Fills bytes that begin at `offset` of the file; offset and length are multiples of 8. */
export function stamp(bytes: Uint8Array, ino: number, offset: number, generation: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  for (let i = 0; i < words.length; i += 2) {
    words[i] = generation
    words[i + 1] = placeOf(ino, Math.floor((offset + i * 4) / BLOCK))
  }
}

export interface Fault {
  readonly what: 'foreign' | 'torn' | 'lost' | 'stale'
  readonly detail: string
}

const describe = (word: number): string => (word === 0 ? 'zeros' : `inode ${word >>> 9} block ${(word & 511) - 1}`)

/**
 * What does not belong there. With `generation` every word must be of that write; without it zeros are right as well,
 * unless `before`, an earlier copy of the same bytes while they were pinned, had something there.
 */
export function faultIn(
  bytes: Uint8Array,
  ino: number,
  offset: number,
  { generation, before }: { generation?: number; before?: Uint32Array } = {},
): Fault | undefined {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  for (let i = 0; i < words.length; i += 2) {
    const at = offset + i * 4
    const place = words[i + 1]
    const expected = placeOf(ino, Math.floor(at / BLOCK))
    if (place !== 0 && place !== expected) {
      return { what: 'foreign', detail: `byte ${at} of inode ${ino} has ${describe(place)}, write ${words[i]}` }
    }
    if (generation !== undefined && (place === 0 || words[i] !== generation)) {
      return {
        what: 'torn',
        detail: `byte ${at} of inode ${ino} has ${describe(place)}, write ${words[i]}, not ${generation}`,
      }
    }
    if (place === 0 && before !== undefined && before[i + 1] !== 0) {
      return { what: 'lost', detail: `byte ${at} of inode ${ino} became zeros while it was pinned` }
    }
  }
  return undefined
}

export const copyOfWords = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4).slice()
