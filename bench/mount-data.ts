/** Bytes through a mount: by fio with O_DIRECT where it is installed; elsewhere by loops of our own, which ext4 answers from its cache. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { compare, median } from './measure.ts'
import type { Sides } from './mount-sides.ts'
import { rowsAgainst } from './mount-rows.ts'
import type { Row } from './report.ts'
import { MIB } from './subject.ts'

const FILE_BYTES = 128 * MIB
const ROUNDS = 5
const ROUND_SECONDS = 1

const PATTERNS = {
  'sequential read 1 MiB': { rw: 'read', block: MIB, isWrite: false },
  'sequential write 1 MiB': { rw: 'write', block: MIB, isWrite: true },
  'random read 4 KiB': { rw: 'randread', block: 4096, isWrite: false },
} as const
type Pattern = (typeof PATTERNS)[keyof typeof PATTERNS]

export async function mountData(sides: Sides): Promise<Row[]> {
  const files = new Map([...sides.directories].map(([name, directory]) => [name, join(directory, 'data')]))
  for (const path of files.values()) writeFileSync(path, Buffer.alloc(FILE_BYTES, 0x5a))
  const hasFio = spawnSync('fio', ['--version']).status === 0
  const rows: Row[] = []
  for (const [measure, pattern] of Object.entries(PATTERNS)) {
    const found = hasFio ? byFio(files, pattern) : await byLoops(files, pattern)
    rows.push(
      ...rowsAgainst(`mount: ${measure}${hasFio ? ', O_DIRECT, fio' : ', own loop'}`, Object.fromEntries(found), {
        show: (side) => `${Math.round(median(found.get(side)!) / MIB).toLocaleString('en')} MiB/s`,
        speed: (side) => median(found.get('holdfast')!.map((bytes, round) => bytes / found.get(side)![round])),
        least: 1,
      }),
    )
  }
  return rows
}

/** Bytes a second of each side in each round. */
type Speeds = Map<string, number[]>

function byFio(files: ReadonlyMap<string, string>, { rw, block, isWrite }: Pattern): Speeds {
  const speeds: Speeds = new Map()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, path] of files) {
      const { stdout } = spawnSync(
        'fio',
        [
          '--name=measured',
          `--filename=${path}`,
          `--rw=${rw}`,
          `--bs=${block}`,
          `--size=${FILE_BYTES}`,
          '--direct=1',
          '--ioengine=psync',
          '--time_based',
          `--runtime=${ROUND_SECONDS}`,
          '--output-format=json',
        ],
        { encoding: 'utf8', cwd: join(path, '..') },
      )
      const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
        jobs: { read: { bw_bytes: number }; write: { bw_bytes: number } }[]
      }
      speeds.set(side, [...(speeds.get(side) ?? []), jobs[0][isWrite ? 'write' : 'read'].bw_bytes])
    }
  }
  return speeds
}

async function byLoops(files: ReadonlyMap<string, string>, { rw, block, isWrite }: Pattern): Promise<Speeds> {
  const buffer = Buffer.alloc(block, 0x5a)
  const blocks = FILE_BYTES / block
  const descriptors = new Map([...files].map(([side, path]) => [side, openSync(path, 'r+')]))
  let next = 0
  const calls = [...descriptors].map(([side, fd]) => {
    const call = (): void => {
      next = rw === 'randread' ? (next * 1_103_515_245 + 12_345) % blocks : (next + 1) % blocks
      if (isWrite) writeSync(fd, buffer, 0, block, next * block)
      else readSync(fd, buffer, 0, block, next * block)
    }
    return [side, call] as const
  })
  const times = await compare(Object.fromEntries(calls), 'holdfast', { rounds: 51, roundNs: 20e6 })
  for (const fd of descriptors.values()) closeSync(fd)
  const own = times['holdfast'].ns
  // One number a side, so that the quotient of two of them is the median of the rounds' ratios.
  return new Map(Object.entries(times).map(([side, { ratio }]) => [side, [(block * 1e9) / (own * ratio)]]))
}
