/** The label in front of the blocks: whose device is this? */
import assert from 'node:assert/strict'
import { cpSync, openSync, closeSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DATA_START, LABEL_BYTES, LABEL_MAGIC, readLabel, writeLabel } from '../../src/device/label.ts'
import { createPool, openPool } from '../../src/index.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'

async function closedPool(path: string, content: string): Promise<string> {
  const pool = await createPool(path, { sizeBytes: 1 << 20 })
  await pool.writeFile('/file', content)
  await pool.close()
  return path
}

function overwrite(path: string, at: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}

test('a pool whose device is that of another pool is refused, also for reading, and works again when it is put back', async (t) => {
  const directory = temporaryDirectory(t)
  const [one, other] = [join(directory, 'one'), join(directory, 'other')]
  await closedPool(one, 'of one')
  await closedPool(other, 'of the other')
  const swap = (): void => {
    renameSync(join(one, 'device'), join(directory, 'device'))
    renameSync(join(other, 'device'), join(one, 'device'))
    renameSync(join(directory, 'device'), join(other, 'device'))
  }
  swap()
  for (const path of [one, other]) {
    for (const readOnly of [false, true]) {
      await assert.rejects(openPool(path, { readOnly }), {
        code: 'EUCLEAN',
        message: /device of pool .* those of pool/,
      })
    }
  }
  swap()
  await using pool = await openPool(one)
  assert.equal(await pool.readFile('/file', 'utf8'), 'of one')
})

test('metadata of another pool are refused', async (t) => {
  const directory = temporaryDirectory(t)
  const one = await closedPool(join(directory, 'one'), 'of one')
  const other = await closedPool(join(directory, 'other'), 'of the other')
  cpSync(join(other, 'meta.db'), join(one, 'meta.db'))
  await assert.rejects(openPool(one), { code: 'EUCLEAN', message: /put back what belongs together/ })
})

test('every bit of the label counts, and a label of a newer format is told from damage', async (t) => {
  const path = await closedPool(join(temporaryDirectory(t), 'pool'), 'content')
  const device = join(path, 'device')
  const whole = readFileSync(device).subarray(0, LABEL_BYTES)
  const label = readLabel(device)
  assert.ok('uuid' in label)
  assert.equal(whole.toString('latin1', 0, 8), LABEL_MAGIC)
  for (let bit = 0; bit < LABEL_BYTES * 8; bit++) {
    const flipped = Buffer.from(whole)
    flipped[bit >>> 3] ^= 1 << (bit & 7)
    overwrite(device, 0, flipped)
    assert.deepEqual(readLabel(device), { damage: 'damaged' }, `bit ${bit}`)
  }
  overwrite(device, 0, Buffer.alloc(LABEL_BYTES))
  await assert.rejects(openPool(path), { code: 'EUCLEAN', message: /label of the device is missing/ })
  writeLabel(device, label.uuid)
  assert.ok(readFileSync(device).subarray(0, LABEL_BYTES).equals(whole))
  assert.equal(DATA_START, 4096)
  await (await openPool(path)).close()
})
