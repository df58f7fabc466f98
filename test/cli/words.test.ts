/** Sizes, durations and tables: what is typed and what is shown. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, parseDuration } from '../../src/cli/durations.ts'
import { formatSize, parseSize, parseSizeChange } from '../../src/cli/sizes.ts'
import { table } from '../../src/cli/table.ts'

test('sizes are plain bytes, or powers of 1024 in either case', () => {
  const sizes: Record<string, number> = {
    0: 0,
    4096: 4096,
    '4k': 4096,
    '256M': 2 ** 28,
    '1G': 2 ** 30,
    '1.5G': 1.5 * 2 ** 30,
  }
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text)
  for (const text of ['4K', '4kB', '4KiB', '4096b']) assert.equal(parseSize(text), 4096, text)
  for (const text of ['', 'k', '4x', '-4k', '4 k', '0x10', '1e3', '0.3k', '9P', '99999999999999999', 'NaN']) {
    assert.throws(() => parseSize(text), { code: 'commander.invalidArgument' }, text)
  }
})

test('a size change is absolute, longer by or shorter by, and never below nothing', () => {
  assert.deepEqual(
    ['10', '+4k', '-40', '-4k'].map((text) => parseSizeChange(text)(100)),
    [10, 4196, 60, 0],
  )
  assert.throws(() => parseSizeChange('+-4'), { code: 'commander.invalidArgument' })
})

test('durations need a unit', () => {
  assert.deepEqual(
    ['500ms', '10s', '1.5s', '2m', '1h', '0'].map(parseDuration),
    [500, 10_000, 1500, 120_000, 3_600_000, 0],
  )
  for (const text of ['5', '', 's', '-1s', '5 s', '1d']) {
    assert.throws(() => parseDuration(text), { code: 'commander.invalidArgument' }, text)
  }
})

test('sizes and durations are shown in a few characters', () => {
  const sizes = [0, 1023, 1024, 1536, 10_240, 1_048_064, 1_048_575, 2 ** 20, 1.5 * 2 ** 30, 2 ** 53 - 1]
  assert.deepEqual(sizes.map(formatSize), ['0', '1023', '1k', '1.5k', '10k', '1M', '1M', '1M', '1.5G', '8P'])
  const durations = [0, 999, 1000, 59_999, 60_000, 250_000, 3_661_000, 90_000_000]
  assert.deepEqual(durations.map(formatDuration), ['0ms', '999ms', '1.0s', '59.9s', '1m00s', '4m10s', '1h01m', '1d01h'])
})

test('tables align, colours take no room, and only the last column is cut', () => {
  const columns = [{ title: 'N', align: 'right' }, { title: 'NAME' }, { title: 'WHAT' }] as const
  const rows = [
    ['1', '\u001B[1mab\u001B[22m', 'a long story'],
    ['10', 'a', 'x'],
  ]
  const lines = [' N  NAME  WHAT', ' 1  \u001B[1mab\u001B[22m    a l…', '10  a     x']
  assert.equal(table(columns, rows, 14), `${lines.join('\n')}\n`)
  assert.ok(table(columns, rows).includes('a long story'))
})
