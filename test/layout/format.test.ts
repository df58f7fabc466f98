/** docs/internals/format.md against src/layout/format.ts, number by number. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as format from '../../src/layout/format.ts'
import { edgesOf } from '../../src/layout/own-slot.ts'
import type { Words } from '../../src/layout/words.ts'
import { LockByte } from '../../src/pool/pool-directory.ts'
import { claimOf, run, World } from './world.ts'

const page = readFileSync(new URL('../../docs/internals/format.md', import.meta.url), 'utf8')
const text = page.slice(page.indexOf('\n## The pin table\n'))
const flat = text.replaceAll(/\s+/g, ' ')

/** Rows of the table whose first heading is given: word by name. */
function rowsOf(heading: string): Record<string, number> {
  const table = text.slice(text.indexOf(`| ${heading} | name |`)).split('\n\n')[0]
  const rows = [...table.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, word, name]) => [name, Number(word)])
  assert.ok(rows.length > 0, `a table of "${heading}"`)
  return Object.fromEntries(rows) as Record<string, number>
}

/** `… 0 free, 1 attached …` as an object. */
function choicesIn(list: string): Record<string, number> {
  return Object.fromEntries([...list.matchAll(/(\d+) (\w+)/g)].map(([, value, name]) => [name, Number(value)]))
}

function says(sentence: string): void {
  assert.ok(flat.includes(sentence), `the page says: ${sentence}`)
}

test('words of the table, a bucket, a slot, a break and a record are those of the page', () => {
  assert.deepEqual(tableOf('`table`'), format.Table)
  assert.deepEqual(rowsOf('word of a bucket'), format.Bucket)
  assert.deepEqual(tableOf('Slot'), format.Slot)
  assert.deepEqual(rowsOf('word of a break'), format.Break)
  assert.deepEqual(rowsOf('word of a record'), format.Record)
})

/** The first table of words in a section. */
function tableOf(section: string): Record<string, number> {
  const part = text.slice(text.indexOf(`\n### ${section}\n`))
  const table = part.slice(part.indexOf('| word |')).split('\n\n')[0]
  return Object.fromEntries(
    [...table.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, word, name]) => [name, Number(word)]),
  )
}

test('sizes and constants are those of the page', () => {
  says(`0x${format.TABLE_MAGIC.toString(16)} ("HFPT")`)
  assert.equal(Buffer.from(format.TABLE_MAGIC.toString(16), 'hex').toString(), 'HFPT')
  says(`| 1 | \`version\` | ${format.FORMAT_VERSION} |`)
  says(
    `The header has ${format.TABLE_HEADER_WORDS} words. After it come ${format.BUCKETS} buckets of ${format.BUCKET_WORDS} words`,
  )
  says(
    `Words ${format.PUNCHES_START} to ${format.PUNCHES_START + format.PUNCHES - 1} of the header are [punch marks](page-cache.md#punch-marks): ` +
      `one for each region of 2^${format.FOLIO_SHIFT} pages of the device's file, label included, by its number modulo ${format.PUNCHES}. The low ` +
      `${Math.log2(format.PUNCHES_UNDER_WAY + 1)} bits`,
  )
  assert.ok(format.PUNCHES_START + format.PUNCHES <= format.TABLE_HEADER_WORDS)
  says(`inode *i* belongs to bucket *i* modulo ${format.BUCKETS}`)
  assert.equal(format.bucketOf(format.BUCKETS + 3), format.TABLE_HEADER_WORDS + 3 * format.BUCKET_WORDS)
  says(`The table has ${format.TABLE_WORDS} words`)
  says(
    `${format.SLOT_WORDS} words: a header of ${format.FILTER_START}, the filter of ${format.FILTER_WORDS} from word ` +
      `${format.FILTER_START} on, ${format.BREAKS} breaks of ${format.BREAK_WORDS} words from word ${format.BREAKS_START} on`,
  )
  assert.ok(format.breakAt(format.BREAKS) <= format.SLOT_WORDS)
  says(`a region of 2^${format.REGION_SHIFT} blocks whose number modulo ${format.FILTER_WORDS}`)
  says(`in chunks of ${format.CHUNK_RECORDS} records of ${format.RECORD_WORDS} words`)
  assert.equal(2 ** format.CHUNK_SHIFT, format.CHUNK_RECORDS)
  assert.equal(2 ** format.RECORD_SHIFT, format.RECORD_WORDS)
  says(
    `up to ${format.MORE_RUNS} runs, two words each, from word ${format.MORE_RUNS_START} on, and \`next\` at word ${format.Record.next}`,
  )
  says(`status \\| kind << ${format.KIND_SHIFT} \\| sequence << ${format.SEQUENCE_SHIFT}`)
  says(
    `${LockByte.opening} while a pool is opened, ${LockByte.reclaim} during a reclaim pass, ${LockByte.probe} while who opens the pool asks whether such locks work, ${LockByte.slot(0)} + *n*`,
  )
})

test('states and kinds are those of the page', () => {
  const [, breaks] = /^\| 0 \| `state` \| (0 free, 1 preparing.*) \|$/m.exec(text)!
  assert.deepEqual(choicesIn(breaks), format.BreakState)
  const [, status, kinds] = /Status: ([^.]*)\. Kind: ([^.]*)\./.exec(flat)!
  assert.deepEqual(choicesIn(status), format.RecordStatus)
  const { pin, copy, open, lease } = choicesIn(kinds)
  assert.deepEqual({ pin: pin << 4, copy: copy << 4, open: open << 4, lease: lease << 4 }, format.RecordKind)
  const { write, stable, longTerm, exclusive } = format.RecordFlag
  says(`| 1 | \`flags\` | ${write} write, ${stable} stable, ${longTerm} long-term, ${exclusive} exclusive |`)
})

test('the example is what the code makes', () => {
  const { table, world } = new World().join()
  table.own.words.set(format.Slot.pid, 1234)
  // Of this process only, and of this test's clock.
  table.own.words.set(format.Slot.startTime, 0)
  const [offset, length] = [4196, 12_288]
  const claim = claimOf({ ino: 5, flags: format.RecordFlag.write, offset, length, edges: edgesOf(offset, length) })
  table.own.grant(table.own.publish(claim, [run(40, 2), run(300), run(7)]))
  const words = (of: Words, from: number, count: number): string =>
    Array.from({ length: count }, (_, word) => [word, of.get(from + word)])
      .filter(([, value]) => value !== 0)
      .map(([word, value]) => `${word}: ${value}`)
      .join('  ')
  const chunk = world.memory.chunk(0, 0)
  const example = [
    `slot     ${words(table.own.words, 0, format.SLOT_WORDS)}`,
    `record 1 ${words(chunk, format.RECORD_WORDS, format.RECORD_WORDS)}`,
    `record 0 ${words(chunk, 0, format.RECORD_WORDS)}`,
  ].join('\n')
  assert.equal(/### Example of a pin[\s\S]*?```\n([\s\S]*?)\n```/.exec(text)?.[1], example)
})
