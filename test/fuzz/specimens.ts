/**
 * Specimens: pools that are damaged again and again, as bytes: one that was closed, and one whose process was killed with
 * pins, a break, a lease and a log. From test/data, so that a seed means the same everywhere.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import tar from 'tar-stream'

/** Files of a pool by their path in its directory. */
export type Specimen = ReadonlyMap<string, Buffer>

export const SPECIMEN_NAMES = ['closed', 'killed'] as const
export type SpecimenName = (typeof SPECIMEN_NAMES)[number]

const ARCHIVE = join(import.meta.dirname, '..', 'data', 'pool-format-3.tar.gz')

/** Reads the archive of test/data. */
export async function readSpecimens(): Promise<ReadonlyMap<SpecimenName, Specimen>> {
  const specimens = new Map<SpecimenName, Map<string, Buffer>>(SPECIMEN_NAMES.map((name) => [name, new Map()]))
  const extract = tar.extract()
  extract.end(gunzipSync(readFileSync(ARCHIVE)))
  for await (const entry of extract) {
    const [name = '', ...path] = entry.header.name.split('/')
    const pieces = await Array.fromAsync(entry as AsyncIterable<Buffer>)
    specimens.get(name as SpecimenName)?.set(path.join('/'), Buffer.concat(pieces))
  }
  return specimens
}

/** Writes a pool directory. */
export function writeSpecimen(directory: string, files: Specimen): void {
  for (const [path, content] of files) {
    const place = join(directory, path)
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 })
    writeFileSync(place, content, { mode: 0o600 })
  }
}
