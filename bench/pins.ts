/** Pins against reads: what direct access is for. */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { compare, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeFile, makeSubject, MIB } from './subject.ts'

const FILE_BYTES = 64 * MIB
const BLOCK = 4096
/** Offsets that are visited in turn. */
const PLACES = 1024

/** Keeps results from being optimised away. */
let seen = 0

export async function benchPins(): Promise<Row[]> {
  await using subject = await makeSubject(256 * MIB)
  await using file = await makeFile(subject.pool, '/subject', FILE_BYTES)
  const host = join(subject.directory, 'host-file')
  writeFileSync(host, Buffer.alloc(FILE_BYTES, 0x5a))
  const fd = openSync(host, 'r')
  await using handle = await open(host, 'r')
  const block = Buffer.alloc(BLOCK)
  const mebibyte = Buffer.alloc(MIB)
  let i = 0
  const next = (bytes: number): number => (i++ % Math.min(PLACES, FILE_BYTES / bytes)) * bytes
  const pinned = (length: number, revocable: boolean) => () => {
    const pin = file.pinSync({ offset: next(length), length, mode: 'read', revocable })
    seen += pin.buffer[0]
    pin.release()
  }
  try {
    const hot = await compare(
      {
        read: () => {
          readSync(fd, block, 0, BLOCK, next(BLOCK))
          seen += block[0]
        },
        pinSync: pinned(BLOCK, false),
        // What is left of the price when the byte, which 4 KiB of others have driven from the nearest cache, is not loaded.
        untouched: () => file.pinSync({ offset: next(BLOCK), length: BLOCK, mode: 'read', revocable: false }).release(),
        pin: async () => {
          const pin = await file.pin({ offset: next(BLOCK), length: BLOCK, mode: 'read', revocable: false })
          seen += pin.buffer[0]
          pin.release()
        },
      },
      'read',
    )
    const whole = await compare(
      {
        read: () => {
          readSync(fd, mebibyte, 0, MIB, next(MIB))
          seen += mebibyte[0]
        },
        '4 KiB': pinned(BLOCK, true),
        '1 MiB': pinned(MIB, true),
        '16 MiB': pinned(16 * MIB, true),
        '64 MiB': pinned(64 * MIB, true),
      },
      'read',
    )
    const copies = await compare(
      {
        handle: () => handle.read(block, 0, BLOCK, next(BLOCK)),
        file: () => file.read(block, 0, BLOCK, next(BLOCK)),
      },
      'handle',
    )
    if (seen === 0) throw new Error('nothing was read')
    const small = `fs.readSync 4 KiB ${showTime(hot['read'].ns)}`
    const large = `fs.readSync 1 MiB ${showTime(whole['read'].ns)}`
    return [
      row('pinSync + touch + release, 4 KiB, revocable: false', hot['pinSync'], small, '<= 0.25', 0.25),
      row('pinSync + release, 4 KiB, revocable: false', hot['untouched'], small, '', undefined),
      row('pin + touch + release, 4 KiB, revocable: false', hot['pin'], small, '', undefined),
      row('pinSync + touch + release, 4 KiB, revocable', whole['4 KiB'], large, '', undefined),
      row('pinSync + touch + release, 1 MiB, revocable', whole['1 MiB'], large, '<= 0.067', 1 / 15),
      row('pinSync + touch + release, 16 MiB, revocable', whole['16 MiB'], large, '<= 0.067', 1 / 15),
      row('pinSync + touch + release, 64 MiB, revocable', whole['64 MiB'], large, '<= 0.067', 1 / 15),
      row('file.read 4 KiB, by copy', copies['file'], `FileHandle.read ${showTime(copies['handle'].ns)}`, '<= 1', 1),
    ]
  } finally {
    closeSync(fd)
  }
}

function row(
  measure: string,
  { ns, ratio }: { ns: number; ratio: number },
  against: string,
  mustBe: string,
  most: number | undefined,
): Row {
  return {
    measure,
    result: showTime(ns),
    against,
    ratio,
    mustBe,
    isMet: most === undefined ? undefined : ratio <= most,
  }
}
