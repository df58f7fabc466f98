/** Workloads: short lives of files, each about one thing that a crash could break. And random ones. */
import { codeOf } from '../../src/errors.ts'
import type { BusyPolicy } from '../../src/index.ts'
import type { Scene, Workload } from './scene.ts'

const K = 1024

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  'create, write, sync, write on': async (scene) => {
    await scene.write('/a', 0, 10 * K)
    await scene.sync('/a')
    await scene.write('/a', 2 * K, 6 * K)
    await scene.write('/b', 0, 5000)
    await scene.sync('/b')
    await scene.write('/a', 8 * K, 20 * K)
    await scene.write('/b', 60 * K, 100)
    await scene.syncAll()
    await scene.write('/b', 100, 12 * K)
  },

  'replace by rename': async (scene) => {
    await scene.write('/a', 0, 9 * K)
    await scene.sync('/a')
    for (const isSynced of [true, false, true]) {
      await scene.write('/new', 0, 7 * K)
      if (isSynced) await scene.sync('/new')
      await scene.pool.rename('/new', '/a')
      scene.recorder.step('renamed')
    }
    await scene.syncAll()
    await scene.write('/b', 0, 3000)
    await scene.pool.rename('/a', '/b', { exchange: true })
    await scene.reclaim()
  },

  append: async (scene) => {
    for (const length of [100, 3000, 1000, 8 * K, 400, 30 * K]) await scene.append('/log', length)
    await scene.sync('/log')
    await using log = await scene.pool.open('/log', 'a')
    for (let i = 0; i < 6; i++) {
      await log.write(scene.stamp(log.ino, 5000))
      if (i % 2 === 1) await scene.recorder.synced(() => log.sync(), [log.ino])
    }
    await scene.pool.truncate('/log', 20_000)
    await log.write(scene.stamp(log.ino, 10 * K))
    scene.recorder.step('appended')
  },

  'shrink and grow': async (scene) => {
    await scene.write('/a', 0, 30 * K)
    await scene.sync('/a')
    for (const size of [17_000, 40_000, 1000, 5000, 0, 9000]) await scene.pool.truncate('/a', size)
    await scene.write('/a', 2000, 400)
    await scene.sync('/a')
    await scene.pool.truncate('/a', 2100)
    await scene.write('/a', 4000, 9000)
    await scene.reclaim()
    await scene.write('/b', 0, 40 * K)
  },

  'truncate against pins: sequester': async (scene) => {
    await scene.write('/a', 0, 32 * K)
    await scene.sync('/a')
    const { ino } = await scene.pool.stat('/a')
    const pin = await scene.pin('/a', 6000, 16 * K, { write: true })
    await scene.pool.truncate('/a', 9000)
    scene.dma(pin, ino)
    await scene.write('/a', 20 * K, 4000)
    await scene.pool.punchHole('/a', 1000, 6000)
    scene.dma(pin, ino)
    await scene.sync('/a')
    scene.release()
    await scene.reclaim()
    await scene.write('/b', 0, 60 * K)
  },

  'truncate against pins: fail and wait': async (scene) => {
    await scene.write('/a', 0, 24 * K)
    await scene.sync('/a')
    const pin = await scene.pin('/a', 4096, 8192, { write: true })
    const { ino } = await scene.pool.stat('/a')
    await scene.pool.truncate('/a', 5000, { busy: 'fail' }).catch(isBusy)
    const waiting = scene.pool.truncate('/a', 5000, { busy: 'wait' })
    scene.dma(pin, ino)
    scene.release()
    await waiting
    await scene.reclaim()
    await scene.write('/a', 3000, 30 * K)
    await scene.sync('/a')
  },

  'punch, zero, collapse, insert': async (scene) => {
    await scene.write('/a', 0, 40 * K)
    await scene.sync('/a')
    await using file = await scene.pool.open('/a', 'r+')
    await file.punchHole(5000, 9000)
    await file.zeroRange(20_000, 6000)
    await scene.recorder.synced(() => file.sync(), [file.ino])
    await file.collapseRange(4096, 8192)
    await scene.writeTo(file, 6000, 8000)
    await file.insertRange(8192, 12_288)
    await scene.writeTo(file, 9000, 4000)
    await scene.recorder.synced(() => file.sync(), [file.ino])
    await file.zeroRange(30_000, 20_000)
    await file.punchHole(0, 12_288)
    await scene.reclaim()
    await scene.write('/b', 0, 30 * K)
  },

  'unlink, also while open': async (scene) => {
    await scene.write('/a', 0, 20 * K)
    await scene.write('/b', 0, 20 * K)
    await scene.pool.link('/a', '/c')
    await scene.syncAll()
    await scene.pool.unlink('/b')
    await scene.pool.unlink('/a')
    await using open = await scene.pool.open('/c', 'r+')
    await scene.pool.unlink('/c')
    await scene.writeTo(open, 4000, 9000)
    await scene.reclaim()
    await open.close()
    await scene.write('/d', 0, 10 * K)
    await scene.reclaim()
    await scene.write('/e', 0, 30 * K)
    await scene.sync('/e')
  },

  'directories and links': async (scene) => {
    const { pool } = scene
    await pool.mkdir('/x/y', { recursive: true })
    await scene.write('/x/y/a', 0, 5000)
    await scene.sync('/x/y/a')
    await pool.symlink('x/y', '/to')
    await pool.rename('/x/y', '/z')
    await pool.mkdir('/x/y')
    await pool.link('/z/a', '/x/y/b')
    await pool.rename('/z', '/x/y/z')
    await scene.syncAll()
    await pool.unlink('/x/y/z/a')
    await pool.rmdir('/x/y/z')
    await pool.mknod('/pipe', 'fifo')
    await pool.unlink('/to')
    await pool.chmod('/x', 0o711)
  },

  'empty files that come and go': async (scene) => {
    const { pool, recorder } = scene
    const make = async (path: string): Promise<void> => (await pool.open(path, 'wx')).close()
    await pool.mkdir('/d')
    for (let round = 0; round < 3; round++) {
      for (const name of ['lock', 'a', 'b', 'c', 'temporary']) await make(`/d/${name}${round}`)
      await pool.unlink(`/d/lock${round}`)
      await make(`/d/lock${round}`)
      await pool.rename(`/d/a${round}`, `/moved${round}`)
      await pool.unlink(`/d/lock${round}`)
      await pool.link(`/d/b${round}`, `/linked${round}`)
      await pool.chmod(`/d/c${round}`, 0o600)
      recorder.step('made')
      if (round === 1) await scene.syncAll()
      await using open = await pool.open(`/d/temporary${round}`, 'r+')
      await pool.unlink(`/d/temporary${round}`)
      await scene.writeTo(open, 0, 5000)
    }
    await scene.write('/d/c2', 0, 5000)
    await scene.sync('/d/c2')
    await make('/d/last')
    await pool.unlink('/d/last')
  },

  'extended attributes': async (scene) => {
    const { pool } = scene
    await scene.write('/a', 0, 100)
    await pool.setXattr('/a', 'user.one', Buffer.alloc(3000, 1))
    await scene.sync('/a')
    await pool.setXattr('/a', 'user.one', Buffer.alloc(50_000, 2))
    await pool.setXattr('/a', 'user.two', Buffer.from('two'))
    await pool.removeXattr('/a', 'user.one')
    await pool.utimes('/a', 5, 6)
    await pool.configure('/a', { busy: 'fail' })
    await pool.unlink('/a')
  },

  'blocks used again': async (scene) => {
    for (let round = 0; round < 3; round++) {
      for (const name of ['/a', '/b', '/c']) await scene.write(name, 0, 150 * K + 4 * round)
      await scene.sync('/b')
      await scene.pool.unlink('/a')
      await scene.pool.truncate('/b', 30_000)
      await scene.reclaim()
      await scene.write('/d', 0, 200 * K)
      await scene.pool.rename('/d', '/c')
      await scene.pool.unlink('/b')
      await scene.reclaim()
    }
  },

  'checkpoints, and a log that starts anew': async (scene) => {
    await scene.write('/a', 0, 8 * K)
    await scene.checkpoint()
    await scene.write('/a', 4 * K, 8 * K)
    await scene.write('/b', 0, 4 * K)
    await scene.sync('/b')
    await scene.pool.unlink('/a')
    await scene.checkpoint()
    await scene.reclaim()
    await scene.write('/c', 0, 40 * K)
    await scene.sync('/c')
    await scene.checkpoint()
    await scene.pool.rename('/c', '/b')
  },

  'close and open again': async (scene) => {
    await scene.write('/a', 0, 8 * K)
    await scene.reopen()
    await scene.write('/a', 4 * K, 8 * K)
    await scene.pool.truncate('/a', 5000)
    await scene.reopen()
    await scene.write('/b', 0, 8 * K)
    await scene.sync('/b')
    await scene.pool.unlink('/a')
  },

  'copy-on-write under stable pins': async (scene) => {
    await scene.write('/a', 0, 20 * K)
    await scene.sync('/a')
    await scene.pin('/a', 4000, 9000, { stable: true })
    await scene.write('/a', 6000, 2000)
    await scene.sync('/a')
    await scene.write('/a', 0, 12 * K)
    scene.release()
    await scene.reclaim()
    await scene.write('/a', 8000, 2000)
    await scene.write('/b', 0, 20 * K)
  },

  'a larger pool': async (scene) => {
    await scene.write('/a', 0, 8 * K)
    await scene.pool.grow((1 << 20) + 32 * K)
    await scene.write('/b', 0, 1 << 20)
    await scene.sync('/b')
    await scene.pool.unlink('/a')
    await scene.reclaim()
  },
}

/** Something of each kind of change, in few calls: for failures of each of them. */
export const someOfEverything: Workload = async (scene) => {
  const { pool } = scene
  await scene.write('/a', 0, 20 * K)
  await scene.sync('/a')
  await pool.mkdir('/d')
  await scene.append('/d/log', 5000)
  await scene.sync('/d/log')
  await scene.append('/d/log', 30 * K)
  await scene.pin('/a', 5000, 9000, { write: true })
  await pool.truncate('/a', 9000)
  await pool.punchHole('/a', 1000, 6000)
  scene.release()
  await scene.write('/new', 0, 9 * K)
  await scene.sync('/new')
  await pool.rename('/new', '/a')
  await scene.pin('/a', 0, 5000, { stable: true })
  await scene.write('/a', 2000, 1000)
  scene.release()
  await scene.reclaim()
  await using file = await pool.open('/d/log', 'r+')
  await file.zeroRange(3000, 10_000)
  await file.collapseRange(4096, 4096)
  await file.insertRange(8192, 4096)
  await scene.recorder.synced(() => file.sync(), [file.ino])
  await pool.setXattr('/a', 'user.x', Buffer.alloc(100))
  await scene.checkpoint()
  await pool.link('/a', '/b')
  await pool.unlink('/a')
  await pool.unlink('/d/log')
  await file.close()
  await scene.reclaim()
  await pool.unlink('/b')
  await scene.write('/c', 0, 100 * K)
  await pool.grow((1 << 20) + 64 * K)
  await scene.syncAll()
}

/** What a change says that pins or missing space do not allow. */
function isBusy(error: unknown): void {
  const code = codeOf(error)
  if (code !== 'EBUSY' && code !== 'ENOSPC' && code !== 'ENOENT' && code !== 'EEXIST') throw error
}

const NAMES = ['/a', '/b', '/c', '/d/e'] as const

/** `count` random operations on a few files. */
export function randomWorkload(count: number): Workload {
  return async (scene) => {
    await scene.pool.mkdir('/d')
    for (let i = 0; i < count; i++) await randomOperation(scene).catch(isBusy)
  }
}

/** In bytes, a multiple of 4; small ones are as likely as large ones. */
function anyLength({ random }: Scene): number {
  return 4 * (1 + random.below(random.of([100, 1000, 4000, 10_000])))
}

const anyOffset = ({ random }: Scene): number => random.of([0, 4096, 4 * random.below(10_000)])

async function randomOperation(scene: Scene): Promise<void> {
  const { random, pool } = scene
  const path = random.of(NAMES)
  const other = random.of(NAMES)
  if (!(await pool.exists(path))) return scene.write(path, anyOffset(scene), anyLength(scene))
  const busy = random.of(['sequester', 'fail'] satisfies BusyPolicy[])
  await random.of<() => Promise<unknown>>([
    () => scene.write(path, anyOffset(scene), anyLength(scene)),
    () => scene.write(path, anyOffset(scene), anyLength(scene)),
    () => scene.append(path, anyLength(scene)),
    () => scene.append(path, anyLength(scene)),
    () => scene.sync(path),
    () => scene.sync(path),
    () => scene.syncAll(),
    () => pool.truncate(path, anyOffset(scene), { busy }),
    () => pool.truncate(path, anyLength(scene), { busy }),
    () => pool.punchHole(path, anyOffset(scene), anyLength(scene), { busy }),
    () => changeRange(scene, path, busy),
    () => changeRange(scene, path, busy),
    () => pool.unlink(path, { busy }),
    () => (path === other ? Promise.resolve() : pool.rename(path, other, { busy })),
    () => pool.link(path, other),
    () => pool.setXattr(path, `user.${random.below(3)}`, Buffer.alloc(random.below(2000))),
    () => scene.reclaim(),
    () => scene.reclaim(),
    () => scene.checkpoint(),
    () => pinSomething(scene, path),
    () => Promise.resolve(scene.release()),
  ])()
}

async function changeRange(scene: Scene, path: string, busy: BusyPolicy): Promise<void> {
  const { random, pool } = scene
  await using file = await pool.open(path, 'r+')
  const { size } = await file.stat()
  const block = 4096 * random.below(Math.max(1, Math.floor(size / 4096)))
  await random.of<() => Promise<void>>([
    () => file.zeroRange(anyOffset(scene), anyLength(scene), { busy }),
    async () => (block + 4096 < size ? file.collapseRange(block, 4096, { busy }) : undefined),
    async () => (block < size ? file.insertRange(block, 4096 * (1 + random.below(2)), { busy }) : undefined),
  ])()
}

async function pinSomething(scene: Scene, path: string): Promise<void> {
  const { ino, size } = await scene.pool.stat(path)
  if (size < 8) return
  const offset = 4 * scene.random.below(Math.floor(size / 4) - 1)
  const length = 4 * (1 + scene.random.below(Math.min(5000, Math.floor((size - offset) / 4))))
  const isStable = scene.random.chance(0.3)
  const pin = await scene.pin(path, offset, length, isStable ? { stable: true } : { write: true })
  if (!isStable) scene.dma(pin, ino)
}
