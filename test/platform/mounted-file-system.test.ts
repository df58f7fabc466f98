import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountedInstance } from '../../src/platform/mounted-file-system.ts'
import type { MountedType } from '../device/mounted.ts'
import { mountTemporary } from '../device/mounted.ts'

for (const type of ['ext4', 'xfs', 'btrfs'] satisfies MountedType[]) {
  test(`each mounting of ${type} is another one, and is the same all along`, (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const before = mountedInstance(mounted.directory)
    assert.notEqual(before, '')
    assert.equal(mountedInstance(mounted.directory), before)
    mounted.remount()
    assert.notEqual(mountedInstance(mounted.directory), before)
  })
}

test('on tmpfs there is nothing to tell', () => {
  assert.doesNotMatch(mountedInstance('/dev/shm'), /ext4|xfs/)
})
