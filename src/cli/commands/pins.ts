/** `holdfast pins`: who holds what. */
import type { Command } from 'commander'
import type { Holder, Pool } from '../../index.ts'
import { holdersTable } from '../holders.ts'
import { formatSize } from '../sizes.ts'
import { timeText } from '../stat-text.ts'
import type { Outcome } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { watch } from '../watch.ts'
import { withPoolToRead } from '../with-pool.ts'

interface Flags {
  watch?: boolean
}

export function pinsVerb(): Command {
  const command = poolVerb('pins', 'List the pins of all processes, or those of one file.', {
    more:
      'Offsets and lengths are in bytes of the file. A pin whose file is gone is listed with the number of its inode. HELD ' +
      'BACK: how much of what it pins has left its file and can be used again only when it ends.\n\n' +
      'With --watch it is looked at again each second, until Ctrl-C; with --json too, one line each time.',
    examples: ['pins /data/pool', 'pins /data/pool /video.bin --json', 'pins /data/pool --watch'],
  })
    .argument('[PATH]', 'a file of the pool')
    .option('-w, --watch', 'again each second, until Ctrl-C')
  return does(command, (run, poolPath: string, path: string | undefined, flags: Flags) =>
    withPoolToRead(run, poolPath, async (pool) => {
      if (flags.watch !== true) return outcomeOf(await pinsOf(pool, path))
      return watch(run, async () => {
        const pins = await pinsOf(pool, path)
        const now = new Date()
        const { text = '' } = outcomeOf(pins)
        return { json: { time: now, pins }, text: `${timeText(now)}  ${sumOf(pins)}\n${text}` }
      })
    }),
  )
}

const pinsOf = (pool: Pool, path: string | undefined): Promise<Holder[]> =>
  pool.pins(path === undefined ? {} : { path })

const outcomeOf = (pins: readonly Holder[]): Outcome => ({
  json: { pins },
  text: pins.length === 0 ? 'no pins\n' : holdersTable(pins),
})

function sumOf(pins: readonly Holder[]): string {
  const sum = (bytesOf: (pin: Holder) => number | undefined): string =>
    formatSize(pins.reduce((total, pin) => total + (bytesOf(pin) ?? 0), 0))
  return `pins: ${pins.length}, pinned: ${sum((pin) => pin.length)}, held back: ${sum((pin) => pin.heldBackBytes)}`
}
