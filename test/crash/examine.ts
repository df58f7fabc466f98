/**
 * Examines the pool that a crash left: it opens, its metadata is sound and is exactly that of the transactions in it, files
 * show what the contract allows (docs/internals/durability.md), nothing of other files or of the past shows anywhere, and
 * no space is lost. Returns findings; none: it is as it should be.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { DATA_START } from '../../src/device/label.ts'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import { isAllowed, isNewest } from './file-contents.ts'
import type { InodeNumber } from '../../src/units.ts'
import type { Image } from './images.ts'
import { ZERO_PAGE } from './page-versions.ts'
import type { Portrait, PortraitFile } from './portrait.ts'
import { Painter } from './portrait.ts'
import { spaceOf } from './recorder.ts'

const PAGE = 4096

export interface Expected {
  readonly image: Image
  /** Of its last transaction. */
  readonly portrait: Portrait
}

export async function examine(
  path: string,
  expected: Expected,
  open: () => Promise<Pool> = () => openPool(path),
): Promise<string[]> {
  let pool: Pool
  try {
    pool = await open()
  } catch (error) {
    return [`it does not open: ${String(error)}`]
  }
  const findings: string[] = []
  try {
    findings.push(...(await findingsOf(pool, expected)))
  } catch (error) {
    findings.push(`it cannot be used: ${(error as Error).stack}`)
  } finally {
    await pool.close().catch((error: unknown) => findings.push(`it does not close: ${String(error)}`))
  }
  return findings
}

async function findingsOf(pool: Pool, { image, portrait }: Expected): Promise<string[]> {
  const findings = (await pool.check()).map(({ code, message }) => `check: ${code}: ${message}`)
  await reclaimAll(pool)
  const { busyBytes, sequesteredBytes } = await pool.stats()
  if (busyBytes + sequesteredBytes > 0)
    findings.push(`${busyBytes} busy and ${sequesteredBytes} sequestered bytes stay`)
  findings.push(...differences(pool.path, portrait), ...(await spaceFindings(pool, image)))
  for (const file of portrait.files) {
    const name = await pool.fileSystem.metadata.pathOf(file.ino as InodeNumber)
    if (name === undefined) findings.push(`file ${file.ino} has no path`)
    else findings.push(...(await contentFindings(pool, name, file, image)))
  }
  return findings
}

async function reclaimAll(pool: Pool): Promise<void> {
  await pool.lostAndFound.reclaim()
  await pool.reap()
}

function differences(path: string, portrait: Portrait): string[] {
  const db = new DatabaseSync(poolDirectory(path).metadata, { timeout: 0 })
  try {
    const { text } = new Painter(db).portrait()
    if (text === portrait.text) return []
    const [is, wanted] = [text, portrait.text].map((all) => new Set(all.split('\n'))) as [Set<string>, Set<string>]
    return [
      ...[...wanted].filter((row) => !is.has(row)).map((row) => `the metadata has lost ${row}`),
      ...[...is].filter((row) => !wanted.has(row)).map((row) => `the metadata has made up ${row}`),
    ]
  } finally {
    db.close()
  }
}

/** Blocks of no file are zero; blocks of files have space of the host, and after a power cut no others do. */
async function spaceFindings(pool: Pool, { cause }: Image): Promise<string[]> {
  const findings: string[] = []
  const mapped = new Set(
    (await pool.fileSystem.metadata.mappedRuns()).flatMap(({ start, count }) =>
      Array.from({ length: count }, (_, i) => start + i),
    ),
  )
  const { device } = poolDirectory(pool.path)
  const taken = spaceOf(device) / PAGE
  if (taken < mapped.size)
    findings.push(`promise 7: ${mapped.size} blocks are mapped and the host has space for ${taken}`)
  if (cause === 'power cut' && taken > mapped.size)
    findings.push(`${taken - mapped.size} blocks keep space for no file`)
  const fd = openSync(device, 'r')
  try {
    const page = Buffer.alloc(PAGE)
    for (let block = 0; readSync(fd, page, 0, PAGE, DATA_START + block * PAGE) === PAGE; block++) {
      if (!mapped.has(block) && !page.equals(ZERO_PAGE)) findings.push(`promise 6: free block ${block} is not zero`)
    }
  } finally {
    closeSync(fd)
  }
  return findings
}

async function contentFindings(
  pool: Pool,
  path: string,
  { ino, size, extents }: PortraitFile,
  { step, cause }: Image,
): Promise<string[]> {
  const { size: now } = await pool.stat(path)
  if (now !== size) return [`${path} has ${now} bytes and should have ${size}`]
  // Bytes past EOF were never the file's, whatever its last block holds.
  await pool.truncate(path, size + 2 * PAGE)
  const content = await pool.readFile(path)
  const findings: string[] = []
  const state = step.contents.get(ino)
  for (let page = 0; page * PAGE < size; page++) {
    const bytes = content.subarray(page * PAGE, Math.min((page + 1) * PAGE, size))
    const isRight =
      state === undefined ? false : (cause === 'kill' ? isNewest : isAllowed)(state, blockAt(extents, page), bytes)
    if (!isRight) findings.push(`page ${page} of ${path} (inode ${ino}) shows what it never was: ${excerptOf(bytes)}`)
  }
  if (content.subarray(size).some((byte) => byte !== 0)) {
    findings.push(`promise 6: ${path} grows by bytes that are not zero`)
  }
  return findings
}

function blockAt(extents: PortraitFile['extents'], page: number): number | undefined {
  const extent = extents.find(({ fileBlock, count }) => fileBlock <= page && page < fileBlock + count)
  return extent === undefined ? undefined : extent.deviceBlock + page - extent.fileBlock
}

const excerptOf = (bytes: Buffer): string => {
  const words = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readUInt32LE(i * 4).toString(16))
  return [...new Set(words)].slice(0, 6).join(' ')
}
