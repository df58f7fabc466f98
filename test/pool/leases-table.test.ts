/**
 * The table "Operations, leases, policies" of docs/internals/leases.md, row by row, between two processes: each row and
 * policy is set up and done, and must come out as the page says. A row that this test cannot read fails.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { BusyPolicy, File, Pool } from '../../src/index.ts'
import type { Holding } from '../support/lease-holder.ts'
import {
  BREAK_TIME_AND_MORE_MS,
  holdLease,
  letGo,
  letTimePass,
  pinForLong,
  recallsOf,
  stateAt,
} from '../support/lease-holder.ts'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'
import { until } from '../support/pinned-content.ts'
import { stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const POLICIES: readonly BusyPolicy[] = ['fail', 'wait', 'sequester']
const content = stamped(3, 8)

/** An operation somebody does while a lease is there. */
interface Operation {
  readonly act: (pool: Pool, path: string, file: File) => Promise<unknown>
  /** Whether it takes blocks out of the file. */
  readonly isChange?: boolean
  /** Done by the holder itself, under its own lease. */
  readonly isHolders?: boolean
}

const change = (act: Operation['act']): Operation => ({ act, isChange: true })
const CHANGES: Readonly<Record<string, Operation>> = {
  truncate: change((_, __, file) => file.truncate(BLOCK)),
  O_TRUNC: change(async (pool, path) => (await pool.open(path, 'w')).close()),
  punch: change((_, __, file) => file.punchHole(BLOCK, BLOCK)),
  zero: change((_, __, file) => file.zeroRange(BLOCK, BLOCK)),
  collapse: change((_, __, file) => file.collapseRange(BLOCK, BLOCK)),
  insert: change((_, __, file) => file.insertRange(BLOCK, BLOCK)),
}

const leasing = (exclusive: boolean): Operation => ({
  act: async (_, __, file) => {
    const taken = await file.lease({ type: 'layout', exclusive, onRecall: () => undefined })
    assert.equal(taken.state, 'held')
    await taken.release()
  },
})

const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...CHANGES,
  unlink: { act: (pool, path) => pool.unlink(path) },
  'rename over': {
    act: async (pool, path) => {
      await pool.writeFile('/other', 'other')
      await pool.rename('/other', path)
    },
  },
  write: { act: (_, __, file) => file.write(Buffer.alloc(2 * BLOCK, 7), { position: 100 }) },
  append: { act: (pool, path) => pool.writeFile(path, 'more', { flags: 'a' }) },
  allocate: { act: (_, __, file) => file.allocate(4 * BLOCK, 16 * BLOCK) },
  'another layout lease': leasing(false),
  'another exclusive lease': leasing(true),
  'pin with `longTerm`': { act: () => Promise.resolve(), isHolders: true },
}
/** Tested where stable pins are. */
const ELSEWHERE = new Set(['copy-on-write for a stable pin'])

/** What there is when the operation begins. */
interface Situation {
  readonly lease: 'none' | 'layout' | 'exclusive' | 'downgraded' | 'revoked'
  readonly isCallers?: boolean
  /** Instead of the row's. */
  readonly operation?: string
}

const SITUATIONS: Readonly<Record<string, readonly Situation[]>> = {
  none: [{ lease: 'none' }],
  layout: [{ lease: 'layout' }],
  exclusive: [{ lease: 'exclusive' }],
  "layout, the caller's own file": [{ lease: 'layout', isCallers: true }],
  "exclusive, the caller's own file": [{ lease: 'exclusive', isCallers: true }],
  'downgraded, revoked': [{ lease: 'downgraded' }, { lease: 'revoked' }],
  'none, downgraded': [{ lease: 'none' }, { lease: 'downgraded' }],
  any: [{ lease: 'layout' }, { lease: 'exclusive' }, { lease: 'downgraded' }, { lease: 'revoked' }],
  'own, held': [{ lease: 'layout' }, { lease: 'exclusive' }],
  'own, revoked': [{ lease: 'revoked' }],
  'one of the two exclusive': [{ lease: 'exclusive' }, { lease: 'layout', operation: 'another exclusive lease' }],
}

interface Case {
  readonly operation: string
  readonly situation: Situation
  readonly policy: BusyPolicy
  /** As the page has it. */
  readonly outcome: string
}

function casesOfPage(): Case[] {
  const page = readFileSync(new URL('../../docs/internals/leases.md', import.meta.url), 'utf8')
  const section = page.split('\n## Operations, leases, policies\n')[1]?.split('\n## ')[0] ?? ''
  const rows = [...section.matchAll(/^\| (.*) \|$/gm)].map(([, row]) => row.split('|').map((cell) => cell.trim()))
  assert.deepEqual(rows[0], ['operation', 'lease', ...POLICIES.map((policy) => `\`${policy}\``)])
  let operations: string[] = []
  return rows.slice(1).flatMap(([first, second, ...cells]) => {
    const [, leases] = first === 'the same' ? ['', second] : [(operations = splitOperations(first)), second]
    const situations = SITUATIONS[leases === '' ? (/, (one .*)$/.exec(first)?.[1] ?? '') : leases]
    assert.ok(situations !== undefined, `the test knows the lease "${leases}" of "${first}"`)
    assert.equal(cells.length, POLICIES.length, `outcomes of "${first}"`)
    return operations.flatMap((operation) =>
      situations.flatMap((situation) =>
        POLICIES.map((policy, index) => {
          const outcome = cells[index] === 'the same' ? cells[0] : cells[index]
          return { operation: situation.operation ?? operation, situation, policy, outcome }
        }),
      ),
    )
  })
}

function splitOperations(cell: string): string[] {
  const names = cell.replace(/, one of the two exclusive$/, '').split(', ')
  for (const name of names)
    assert.ok(name in OPERATIONS || ELSEWHERE.has(name), `the test knows the operation "${name}"`)
  return names.filter((name) => !ELSEWHERE.has(name))
}

const codeOf = (action: Promise<unknown>): Promise<string> =>
  action.then(
    () => 'done',
    (error: { code: string; holders?: { pid: number; kind: string }[] }) =>
      `${error.code} ${(error.holders ?? []).map((holder) => `${holder.kind} of ${holder.pid}`).join(', ')}`.trim(),
  )

const cases = casesOfPage()

test('the page has a table of some size', () => {
  assert.ok(cases.length > 150, `${cases.length} cases`)
  assert.ok(cases.some(({ outcome }) => outcome.startsWith('recall')))
})

describe('docs/internals/leases.md says what happens:', () => {
  let pool: Pool
  let holder: Participant
  let next = 0
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => void ends.unshift(end) } as never

  before(async () => {
    pool = await temporaryPool(t, { sizeBytes: 32 << 20 })
    holder = await startProcess(t, pool)
  })
  after(async () => {
    for (const end of ends) await end()
  })

  /** Brings about the situation; resolves with what undoes it. */
  const bringAbout = async (situation: Situation, holding: Holding, file: File): Promise<() => Promise<void>> => {
    if (situation.lease === 'none') return () => Promise.resolve()
    const exclusive = situation.lease === 'exclusive'
    if (situation.isCallers === true) {
      const onRecall = (): never => assert.fail('the own lease is not recalled')
      const own = await file.lease({ type: 'layout', exclusive, onRecall })
      return async () => {
        assert.equal(own.state, 'held')
        await own.release()
      }
    }
    if (situation.lease === 'revoked') {
      await holdLease(holder, { ...holding, answer: 'nothing', breakTimeMs: 1 })
      await file.punchHole(0, BLOCK, { busy: 'wait' })
      assert.equal((await pool.leases({ path: holding.path }))[0].isRevoked, true)
    } else {
      await holdLease(holder, { ...holding, exclusive })
    }
    if (situation.lease === 'downgraded')
      await holder.run((here) => (here.kept['lease'] as { lease: { downgrade(): void } }).lease.downgrade())
    return () => letGo(holder)
  }

  for (const { operation, situation, policy, outcome } of cases) {
    const whose = situation.isCallers === true ? ' of the own file' : ''
    const { act, isChange = false, isHolders = false } = OPERATIONS[operation]
    const isRecalled = outcome.startsWith('recall; go on')
    const code = /^`(E\w+)`/.exec(outcome)?.[1]
    const answers: readonly Holding['answer'][] = isRecalled ? ['release', 'downgrade', 'nothing'] : ['nothing']

    for (const answer of answers) {
      const how = isRecalled ? `, the answer ${answer}` : ''
      test(`${operation}, lease ${situation.lease}${whose}, ${policy}${how}: ${outcome}`, async (context) => {
        assert.ok(isRecalled || code !== undefined || /^(go on|both hold)/.test(outcome), 'the outcome can be read')
        const path = `/${next++}`
        await pool.writeFile(path, content)
        await using file = await pool.open(path, 'r+')
        await file.configure({ busy: policy })
        const holding: Holding = { path, answer }
        const undo = await bringAbout(situation, holding, file)
        const isHeldThere = situation.lease !== 'none' && situation.isCallers !== true
        const toldBefore = isHeldThere ? (await recallsOf(holder)).length : 0
        const contentBefore = await pool.readFile(path)

        if (isHolders) {
          if (situation.lease === 'none') {
            await holdLease(holder, { path, answer })
            await letGo(holder)
            await holder.run(async (here, at) => {
              const other = await here.pool.open(at, 'r+')
              const lease = { state: 'none', release: () => Promise.resolve() }
              here.kept['lease'] = { file: other, lease, recalls: [], pins: [] }
            }, path)
          }
          assert.equal(await pinForLong(holder, { offset: BLOCK, length: BLOCK }), code ?? 'granted')
          await (situation.lease === 'none' ? letGo(holder) : undo())
          return
        }

        const coming = codeOf(act(pool, path, file))
        if (isRecalled && answer === 'nothing') {
          await until('it is told', async () => (await recallsOf(holder)).length > 0)
          letTimePass(context, pool, BREAK_TIME_AND_MORE_MS)
        }
        const came = await coming
        const told = isHeldThere ? (await recallsOf(holder)).slice(toldBefore) : []
        assert.equal(told.length, isRecalled ? 1 : 0, 'recalls')
        if (code === undefined) {
          assert.equal(came, 'done')
          if (isChange) assert.ok(!contentBefore.equals(await pool.readFile(path)), 'the layout has changed')
        } else {
          assert.equal(came, `${code} lease of ${holder.pid}`, 'it names the holder')
          assert.ok(contentBefore.equals(await pool.readFile(path)), 'nothing has changed')
        }
        if (isRecalled) {
          const state = { release: 'released', downgrade: 'downgraded', nothing: 'revoked' }[answer as 'release']
          if (answer === 'nothing') assert.equal((await pool.leases({ path }))[0].isRevoked, true)
          else assert.equal((await stateAt(holder)).state, state)
        }
        await undo()
        assert.deepEqual(await pool.leases(), [])
      })
    }
  }
})
