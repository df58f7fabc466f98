/** `holdfast pins`: who holds what. */
import type { Command } from 'commander'
import { holdersTable } from '../holders.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function pinsVerb(): Command {
  const command = poolVerb('pins', 'List the pins of all processes, or those of one file.', {
    more: 'Offsets and lengths are in bytes of the file. A pin whose file is gone is listed with the number of its inode.',
    examples: ['pins /data/pool', 'pins /data/pool /video.bin --json'],
  }).argument('[PATH]', 'a file of the pool')
  return does(command, (run, poolPath: string, path: string | undefined) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const pins = await pool.pins(path === undefined ? {} : { path })
      return { json: { pins }, text: pins.length === 0 ? 'no pins\n' : holdersTable(pins) }
    }),
  )
}
