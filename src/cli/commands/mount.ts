/** `holdfast mount`: the pool as a file system for every program. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Mount } from '../../fuse/index.ts'
import { parseMountWords } from '../mount-words.ts'
import type { MountWords } from '../mount-words.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'

interface Flags {
  options?: MountWords
  foreground?: boolean
}

export function mountVerb(): Command {
  const command = poolVerb('mount', 'Mount a pool on a directory, for every program.', {
    more:
      'The mount is served by a process of its own, until "holdfast umount DIR". Root needs nothing for it but /dev/fuse, ' +
      'others fusermount3. In -o: ro; allow_other, for users other than you; cache=none (the default: every look sees what ' +
      'any process did before) or cache=auto (the kernel remembers for a second); busy=fail|wait|sequester and timeout=TIME, ' +
      'what changes through the mount do about pinned blocks; flags of mount(8): noexec, noatime, suid, dev …; remount, to ' +
      'change such flags, or ro, of a mounted pool',
    examples: [
      'mount /data/pool /mnt',
      'mount /data/pool /mnt -o ro,allow_other',
      'mount /data/pool /mnt -o cache=auto,busy=wait,timeout=10s',
      'mount /data/pool /mnt --foreground',
    ],
  })
    .argument('<DIR>', 'directory to mount on')
    .addOption(
      new Option('-o, --options <WORDS>', 'how, separated by commas').argParser((words, before?: MountWords) =>
        parseMountWords(words, before),
      ),
    )
    .option('--foreground', 'stay until it is unmounted; Ctrl-C unmounts')
  return does(command, async (run, pool: string, dir: string, { options: words = {}, foreground }: Flags) => {
    const { remounts, ...options } = words
    if (remounts === true) {
      const { remount } = await import('../../fuse/remount.ts')
      remount(dir, options)
      return { json: { pool, dir } }
    }
    const mounting = await import('../../fuse/mount.ts')
    if (foreground === true) return stay(run, await mounting.mount(pool, dir, options))
    const pid = await mounting.mountInBackground(pool, dir, options, run.signal)
    return { json: { pool, dir, pid } }
  })
}

/** An interruption unmounts; while the mount is in use it is told by whom, and stays. A second one ends it. */
async function stay(run: Run, mounted: Mount): Promise<Outcome> {
  const unmount = (): void => void mounted.unmount().catch((error: unknown) => run.report(error))
  run.signal.addEventListener('abort', unmount)
  if (run.signal.aborted) unmount()
  await mounted.ended
  return { json: undefined }
}
