/**
 * Small file systems of their own for tests that need a full host, or a broken one. Root only: `mountTemporary` answers why
 * not otherwise. Everything is gone after `release`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type MountedType = 'tmpfs' | 'ext4' | 'xfs' | 'btrfs'

export interface Mounted {
  readonly directory: string
  /** Runs before the unmounting, last come first served: for what would keep it busy. (Hooks of node:test run in order.) */
  onRelease(close: () => void): void
  makeReadOnly(): void
  /** A mount option, from now on. */
  setOption(option: string): void
  /** Unmounts and mounts again; nothing may be open in it. */
  remount(): void
  release(): void
}

const IMAGE_MEGABYTES: Record<MountedType, number> = { tmpfs: 32, ext4: 64, xfs: 320, btrfs: 120 }
const MAKE_OPTIONS: Record<MountedType, string[]> = {
  tmpfs: [],
  ext4: ['-q', '-b', '4096'],
  xfs: ['-q'],
  btrfs: ['-q'],
}

const command = (name: string, ...words: string[]): string =>
  execFileSync(name, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  })

const isAttached = (image: string): boolean => command('losetup', '-j', image) !== ''

/** `imageIn`: the directory for the image of the file system, which is sparse. A string is the reason why it cannot be. */
export function mountTemporary(type: MountedType, imageIn = tmpdir()): Mounted | string {
  if (process.getuid?.() !== 0) return `only root can mount ${type}`
  const own = mkdtempSync(join(imageIn, 'holdfast-test-'))
  const directory = join(own, 'mounted')
  const image = join(own, 'image')
  const mount = (): void => {
    if (type === 'tmpfs') command('mount', '-t', 'tmpfs', '-o', `size=${IMAGE_MEGABYTES.tmpfs}m`, 'tmpfs', directory)
    else command('mount', '-t', type, '-o', 'loop', image, directory)
  }
  try {
    mkdirSync(directory)
    if (type !== 'tmpfs') {
      writeFileSync(image, '')
      truncateSync(image, IMAGE_MEGABYTES[type] * 2 ** 20)
      command(`mkfs.${type}`, ...MAKE_OPTIONS[type], image)
    }
    mount()
  } catch (error) {
    rmSync(own, { recursive: true })
    return `${type} cannot be mounted here: ${error instanceof Error ? error.message : String(error)}`
  }
  const closes: (() => void)[] = []
  return {
    directory,
    onRelease: (close) => closes.unshift(close),
    makeReadOnly: () => void command('mount', '-o', 'remount,ro', directory),
    setOption: (option) => void command('mount', '-o', `remount,${option}`, directory),
    remount: () => {
      command('umount', directory)
      // mount(8) would take the loop device that is about to go.
      while (existsSync(image) && isAttached(image)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      mount()
    },
    release: () => {
      for (const close of closes) close()
      command('umount', directory)
      rmSync(own, { recursive: true })
    },
  }
}
