/** What writers (writer.ts) must find again after their death, or their host's: findings, none when nothing is lost. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Pool } from '../../src/index.ts'
import { DATA_START } from '../../src/device/label.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import type { Word } from './writer.ts'
import { WHOLE_BYTES } from './writer.ts'

const PAGE = 4096

/** What writers were promised, by the last word about each thing. */
export class Promised {
  readonly directory: string
  readonly whole = new Map<number, number>()
  replaced = 0
  /** For who looks at them: on a disk that others use, too, they are no findings. */
  readonly stalls: string[] = []
  count = 0

  constructor(directory: string) {
    this.directory = directory
  }

  /** The round in which another writer may go on: the last one was perhaps in the next when it died. */
  get nextRound(): number {
    return Math.max(...this.whole.values(), this.replaced) + 2
  }

  take(word: Word): void {
    this.count++
    if (word.kind === 'synced') this.whole.set(word.file, word.round)
    if (word.kind === 'replaced') this.replaced = word.round
    if (word.kind === 'stalled') this.stalls.push(`${word.what} took longer than a second`)
  }
}

/** Of a pool that this process alone has open. It is empty afterwards. */
export async function findingsOf(pool: Pool, all: readonly Promised[]): Promise<string[]> {
  const findings = await checked(pool)
  for (const promised of all) findings.push(...(await lossesOf(pool, promised)))
  await spaceFindings(pool, findings, 'with files')
  for (const { directory } of all) {
    for (const name of (await pool.exists(directory)) ? await pool.readdir(directory) : []) {
      await pool.unlink(`${directory}/${name}`)
    }
  }
  await spaceFindings(pool, findings, 'without files')
  return [...findings, ...(await checked(pool))]
}

const checked = async (pool: Pool): Promise<string[]> =>
  (await pool.check()).map(({ code, message }) => `check: ${code}: ${message}`)

async function lossesOf(pool: Pool, { directory, whole, replaced }: Promised): Promise<string[]> {
  const findings: string[] = []
  for (const [file, round] of whole) {
    const words = await wordsOf(pool, `${directory}/whole-${file}`)
    if (words.length * 4 !== WHOLE_BYTES) findings.push(`${directory}/whole-${file} has ${words.length * 4} bytes`)
    const oldest = words.reduce((least, word) => Math.min(least, word & 0xffff), Infinity)
    if (oldest < round) {
      findings.push(`${directory}/whole-${file} was synced in round ${round} and shows one of ${oldest}`)
    }
  }
  if (replaced > 0) {
    const words = await wordsOf(pool, `${directory}/replaced`)
    const rounds = new Set(words.map((word) => word & 0xffff))
    const [round = 0] = rounds
    if (rounds.size !== 1 || round < replaced || words.length * 4 !== WHOLE_BYTES) {
      const what = `${words.length * 4} bytes, rounds ${[...rounds].join()}`
      findings.push(`${directory}/replaced has ${what}, and was synced at ${replaced}`)
    }
  }
  for (const name of (await pool.exists(directory)) ? await pool.readdir(directory) : []) {
    const { ino } = await pool.stat(`${directory}/${name}`)
    const words = await wordsOf(pool, `${directory}/${name}`)
    const foreign = words.find((word) => word !== 0 && word >>> 16 !== (ino & 0xffff))
    if (foreign === undefined) continue
    findings.push(`promise 6: ${directory}/${name} (inode ${ino}) shows 0x${foreign.toString(16)}`)
  }
  return findings
}

/** Nothing is busy or sequestered, what is used is the files', and what is free is zero. */
async function spaceFindings(pool: Pool, findings: string[], when: string): Promise<void> {
  await pool.lostAndFound.reclaim()
  await pool.reap()
  const stats = await pool.stats()
  const { busyBytes, sequesteredBytes, usedBytes, participants, pins } = stats
  const isWrong = busyBytes + sequesteredBytes + pins > 0 || participants !== 1
  if (isWrong || (when === 'without files' && usedBytes > 0)) {
    findings.push(`space is lost, ${when}: ${JSON.stringify(stats)}`)
  }
  findings.push(...(await freeFindings(pool)))
}

async function wordsOf(pool: Pool, path: string): Promise<Uint32Array> {
  if (!(await pool.exists(path))) return new Uint32Array()
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
        readSync(fd, page, 0, PAGE, DATA_START + block * PAGE)
        if (page.some((word) => word !== 0)) findings.push(`promise 6: free block ${block} is not zero`)
      }
    }
  } finally {
    closeSync(fd)
  }
  return findings
}
