/**
 * A process that reads the store of a test as somebody who may not write it: as user 65534 when the test is root's.
 * Argument: path of meta.db. Answers each message over IPC: 'look' with what it sees, 'reopen' likewise after reopening.
 */
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import { codeOf } from '../../src/errors.ts'
import { create, properties } from './subject.ts'

/** What a reader answers. */
export interface Sight {
  readonly names: readonly string[]
  readonly isAtRest: boolean
  /** Codes of what writing and making a store here throw. */
  readonly refusals: readonly (string | undefined)[]
  readonly findings: number
}

if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(65534)
  process.setuid?.(65534)
}
const path = process.argv[2]
const metadata = await openSqliteMetadata(path, { readOnly: true }).catch((error: unknown) => {
  process.send?.({ code: codeOf(error) })
  process.exit()
})
const refusal = (action: Promise<unknown>) =>
  action.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  )

async function sight(): Promise<Sight> {
  const entries = await metadata.entries(ROOT_INODE)
  const refusals = await Promise.all([
    refusal(create(metadata, 'mine')),
    refusal(metadata.checkpoint()),
    refusal(createSqliteMetadata(`${path}.mine`, properties(8))),
  ])
  const findings = (await metadata.check()).length
  return { names: entries.map(({ name }) => name), isAtRest: metadata.isAtRest, refusals, findings }
}

process.on('message', (message) => {
  void (async () => {
    if (message === 'reopen') await metadata.reopen()
    process.send?.(await sight())
  })()
})
process.on('disconnect', () => void metadata.close())
process.send?.(await sight())
