/** `holdfast umount`: takes a mounted pool off its directory. */
import type { Command } from 'commander'
import { does, verb } from '../verb.ts'

export function umountVerb(): Command {
  const command = verb('umount', 'Unmount a pool.', {
    more:
      'Ends when all is durable and the serving process has left the pool. A mount in use stays, and you are told who uses ' +
      'it; with --lazy it leaves the directory at once, and ends when nobody uses it any more. Works for a mount whose ' +
      'serving process was killed, too.',
    examples: ['umount /mnt', 'umount /mnt --lazy'],
  })
    .argument('<DIR>', 'directory that the pool is mounted on')
    .option('-l, --lazy', 'also when it is in use')
  return does(command, async (_run, dir: string, { lazy }: { lazy?: boolean }) => {
    const { unmount } = await import('../../fuse/index.ts')
    await unmount(dir, { lazy })
    return { json: { dir } }
  })
}
