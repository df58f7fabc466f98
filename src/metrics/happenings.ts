/** What this participant does, and what happens to it: counted as it is told on the channels of diagnostics.ts. */
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { Registry } from 'prom-client'
import { Counter, Histogram } from 'prom-client'
import type {
  BreakMessage,
  LeaseMessage,
  OperationMessage,
  ReapMessage,
  ReleaseMessage,
  ResponseLimitMessage,
  Teller,
  TransactionMessage,
  WaitMessage,
} from '../diagnostics.ts'
import type { Pool } from '../pool/pool.ts'

/** Seconds. */
const QUICK = [0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1, 10]
const SLOW = [0.001, 0.01, 0.1, 0.5, 1, 5, 15, 45, 120, 600, 3600]

type Words<Word extends string> = Readonly<Record<Word, true>>

const CHANGES: Words<BreakMessage['change']> = {
  truncate: true,
  punch: true,
  zero: true,
  collapse: true,
  insert: true,
  trim: true,
  remove: true,
  unlink: true,
  rename: true,
  copy: true,
}
const CHANGE_OUTCOMES: Words<BreakMessage['outcome']> = {
  done: true,
  sequestered: true,
  none: true,
  busy: true,
  timeout: true,
  aborted: true,
  failed: true,
}
const LIMITS: Words<ResponseLimitMessage['limit']> = { time: true, 'held-back': true, space: true }
const LIMIT_OUTCOMES: Words<ResponseLimitMessage['outcome']> = { copied: true, aborted: true }

/**
 * Each pair is there from the beginning, with 0: `increase()` of Prometheus sees nothing in a series that begins with 1, so an
 * alarm would miss the first.
 */
function beginAtZero<One extends string, Two extends string>(
  counter: Counter<One | Two>,
  [one, ones]: readonly [One, Words<string>],
  [two, twos]: readonly [Two, Words<string>],
): void {
  for (const first of Object.keys(ones))
    for (const second of Object.keys(twos))
      counter.inc({ [one]: first, [two]: second } as Partial<Record<One | Two, string>>, 0)
}

/** Registers them, and counts until the function that is returned is called. */
export function addHappenings(registry: Registry, pool: Pool): () => void {
  const registers = [registry]
  const { teller } = pool.fileSystem.table
  const ends: (() => void)[] = []

  /** Another pool of this process, or the same one opened again, has metrics of its own. */
  const isOwn = (message: Teller): boolean => message.slot === teller.slot && message.pool === teller.pool
  const listen = <Message extends Teller>(channel: string, count: (message: Message) => void): void => {
    const listener = (message: unknown): void => {
      if (isOwn(message as Message)) count(message as Message)
    }
    subscribe(channel, listener)
    ends.push(() => void unsubscribe(channel, listener))
  }
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ): Histogram<Label> => new Histogram({ name, help, labelNames, buckets, registers })

  const holds = histogram(
    'holdfast_pin_hold_seconds',
    'How long pins were held: those of 0.2 s and more, and stable ones.',
    [],
    SLOW,
  )
  listen<ReleaseMessage>('holdfast:release', ({ heldMs }) => holds.observe(heldMs / 1000))

  const waits = histogram(
    'holdfast_wait_seconds',
    'Waits for pins, leases, layout changes and copies, each by itself.',
    ['outcome'],
    SLOW,
  )
  listen<WaitMessage>('holdfast:wait', ({ waitedMs, outcome }) => waits.observe({ outcome }, waitedMs / 1000))

  const breaks = new Counter({
    name: 'holdfast_breaks_total',
    help: 'Layout changes, by what they are and what became of them.',
    labelNames: ['change', 'outcome'],
    registers,
  })
  beginAtZero(breaks, ['change', CHANGES], ['outcome', CHANGE_OUTCOMES])
  const changes = histogram(
    'holdfast_break_seconds',
    'How long layout changes took, their waits included.',
    ['change'],
    SLOW,
  )
  listen<BreakMessage>('holdfast:break', ({ change, outcome, durationMs }) => {
    breaks.inc({ change, outcome })
    changes.observe({ change }, durationMs / 1000)
  })

  const count = <Message extends Teller>(name: string, help: string, channel: string): void => {
    const counter = new Counter({ name, help, registers })
    listen<Message>(channel, () => counter.inc())
  }
  count<LeaseMessage>('holdfast_recalls_total', 'Leases of others that were asked for.', 'holdfast:recall')
  count<LeaseMessage>(
    'holdfast_revokes_total',
    'Leases that were revoked, as their holders did not answer.',
    'holdfast:revoke',
  )
  count<ReapMessage>('holdfast_reaped_owners_total', 'Dead participants that were cleared away.', 'holdfast:reap')

  const limits = new Counter({
    name: 'holdfast_response_limits_total',
    help: 'Responses of holdfast/http that met a limit of slow clients, and what became of them.',
    labelNames: ['limit', 'outcome'],
    registers,
  })
  beginAtZero(limits, ['limit', LIMITS], ['outcome', LIMIT_OUTCOMES])
  listen<ResponseLimitMessage>('holdfast:response-limit', ({ limit, outcome }) => limits.inc({ limit, outcome }))

  const transactions = histogram(
    'holdfast_transaction_seconds',
    'How long the lock of the metadata was held.',
    [],
    QUICK,
  )
  listen<TransactionMessage>('holdfast:transaction', ({ durationMs }) => transactions.observe(durationMs / 1000))

  const durations = histogram(
    'holdfast_operation_seconds',
    'How long operations on open files took.',
    ['operation', 'outcome'],
    QUICK,
  )
  ends.push(
    timeOperations(isOwn, ({ operation, error }, seconds) =>
      durations.observe({ operation, outcome: error === undefined ? 'done' : 'failed' }, seconds),
    ),
  )
  return () => {
    for (const end of ends.splice(0)) end()
  }
}

/** Calls `done` for each operation that ends; returns how to end that. */
function timeOperations(
  isOwn: (message: Teller) => boolean,
  done: (message: OperationMessage, seconds: number) => void,
): () => void {
  const channel = tracingChannel<unknown, OperationMessage>('holdfast:operation')
  const begun = new WeakMap<OperationMessage, number>()
  const subscribers = {
    start: (message: OperationMessage) => void (isOwn(message) && begun.set(message, performance.now())),
    end: () => undefined,
    asyncStart: () => undefined,
    asyncEnd: (message: OperationMessage) => {
      const sinceMs = begun.get(message)
      if (sinceMs !== undefined) done(message, (performance.now() - sinceMs) / 1000)
    },
    error: () => undefined,
  }
  channel.subscribe(subscribers)
  return () => channel.unsubscribe(subscribers)
}
