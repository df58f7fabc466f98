/** What writers (writer.ts) must find again after their death, or their host's: findings, none when nothing is lost. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Pool } from '../../src/index.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import type { Word } from './writer.ts'
import { WHOLE_BYTES } from './writer.ts'

const PAGE = 4096

/** What writers were promised, by the last word about each thing. */
export class Promised {
  readonly whole = new Map<number, number>()
  replaced = 0
  logged = 0

  take(word: Word): void {
    if (word.kind === 'synced') this.whole.set(word.file, word.round)
    if (word.kind === 'replaced') this.replaced = word.round
    // It starts anew at times; the truncate is not synced.
    if (word.kind === 'logged') this.logged = word.bytes
  }
}

export async function findingsOf(pool: Pool, promised: Promised): Promise<string[]> {
  const findings = (await pool.check()).map(({ code, message }) => `check: ${code}: ${message}`)
  await pool.lostAndFound.reclaim()
  await pool.reap()
  const stats = await pool.stats()
  if (stats.busyBytes + stats.sequesteredBytes > 0) findings.push(`space is lost: ${JSON.stringify(stats)}`)
  for (const [file, round] of promised.whole) {
    const words = await wordsOf(pool, `/whole-${file}`)
    if (words.length * 4 !== WHOLE_BYTES) findings.push(`/whole-${file} has ${words.length * 4} bytes`)
    const oldest = words.reduce((least, word) => Math.min(least, word & 0xffff), Infinity)
    if (oldest < round) findings.push(`/whole-${file} was synced in round ${round} and shows one of ${oldest}`)
  }
  if (promised.replaced > 0) {
    const words = await wordsOf(pool, '/replaced')
    const rounds = new Set(words.map((word) => word & 0xffff))
    const [round = 0] = rounds
    if (rounds.size !== 1 || round < promised.replaced || words.length * 4 !== WHOLE_BYTES) {
      findings.push(
        `/replaced has ${words.length * 4} bytes, rounds ${[...rounds].join()}, was synced at ${promised.replaced}`,
      )
    }
  }
  for (const name of await pool.readdir('/')) {
    if (name === 'lost+found') continue
    const { ino } = await pool.stat(`/${name}`)
    const foreign = (await wordsOf(pool, `/${name}`)).find((word) => word !== 0 && word >>> 16 !== (ino & 0xffff))
    if (foreign !== undefined) findings.push(`promise 6: /${name} (inode ${ino}) shows 0x${foreign.toString(16)}`)
  }
  return [...findings, ...(await freeFindings(pool))]
}

async function wordsOf(pool: Pool, path: string): Promise<Uint32Array> {
  const content = await pool.readFile(path)
  return new Uint32Array(content.buffer.slice(content.byteOffset, content.byteOffset + (content.length & ~3)))
}

/** What is free is zero. */
async function freeFindings(pool: Pool): Promise<string[]> {
  const findings: string[] = []
  const fd = openSync(poolDirectory(pool.path).device, 'r')
  try {
    const page = new Uint32Array(PAGE / 4)
    for (const { start, count } of await pool.fileSystem.metadata.freeRuns()) {
      for (let block = start as number; block < start + count; block++) {
        readSync(fd, page, 0, PAGE, block * PAGE)
        if (page.some((word) => word !== 0)) findings.push(`promise 6: free block ${block} is not zero`)
      }
    }
  } finally {
    closeSync(fd)
  }
  return findings
}
