/**
 * The JSON API of a pool, a Hono app to be mounted where the server wants it. What each route answers stands in
 * docs/guide/inspector.md. Whether a request may change something is asked of the server; the API refuses what may not.
 */
import { basename } from 'node:path'
import { Hono } from 'hono'
import type { Context, MiddlewareHandler } from 'hono'
import { invalidValue, systemError, wrongType } from '../../errors.ts'
import type { PolicyChange } from '../../files/attributes.ts'
import type { Pool } from '../../pool/pool.ts'
import { BLOCK_SIZE, bytesOf } from '../../units.ts'
import { Lab } from '../lab/lab.ts'
import { orderOf } from '../lab/order.ts'
import { blockMap, MOST_CELLS } from './block-map.ts'
import { eventStream } from './event-stream.ts'
import { failureOf, failureStatus, pathIn, wholeNumber } from './failure.ts'
import { fileView, listingOf, MOST_EXTENTS } from './files-view.ts'
import { changesIn } from './pool-state.ts'
import { PoolWatch } from './pool-watch.ts'
import { SpaceHistory } from './space-history.ts'

export interface ApiOptions {
  /** Whether what asks may change the pool. */
  readonly mayChange: (request: Request) => boolean
}

const CELLS = 512
const ENTRIES = 500
const MOST_ENTRIES = 1000

export function apiRoutes(pool: Pool, { mayChange }: ApiOptions): Hono {
  const app = new Hono()
  const watch = new PoolWatch(pool)
  const lab = new Lab(pool)
  const history = new SpaceHistory()
  history.begin(pool)
  const changing: MiddlewareHandler = async ({ req }, next) => {
    if (mayChange(req.raw)) return next()
    const what = 'this changes the pool; start the server with --write and send the token that it prints'
    throw systemError('EACCES', what, { syscall: req.method.toLowerCase(), path: pool.path })
  }

  app.onError((error, context) => context.json({ error: failureOf(error) }, failureStatus(error) as 400))
  app.notFound((context) => context.json({ error: { code: 'ENOENT', message: 'there is nothing here' } }, 404))
  app.use(async (context, next) => {
    await next()
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store')
  })

  app.get('/pool', async (context) => {
    const { busy, dax, leaseBreakTimeMs, uuid } = pool.properties
    const { blockCount } = await pool.fileSystem.metadata.space()
    return context.json({
      name: basename(pool.path),
      path: pool.path,
      uuid,
      sizeBytes: bytesOf(blockCount),
      blockSize: BLOCK_SIZE,
      blocks: blockCount,
      policies: { busy, dax, leaseBreakTimeMs },
      stats: await pool.stats(),
      writable: !pool.isReadOnly && mayChange(context.req.raw),
    })
  })

  app.get('/map', async (context) => {
    const { blockCount } = await pool.fileSystem.metadata.space()
    const { from, to, cells } = context.req.query()
    const first = wholeNumber('from', from, 0, [0, blockCount - 1])
    const end = wholeNumber('to', to, blockCount, [first + 1, blockCount])
    const range = { from: first, to: end }
    return context.json(await blockMap(pool.fileSystem, range, wholeNumber('cells', cells, CELLS, [1, MOST_CELLS])))
  })

  app.get('/history', (context) => context.json(history.columns()))

  app.get('/files', async (context) => {
    const { path, after = '', limit } = context.req.query()
    const how = { after, limit: wholeNumber('limit', limit, ENTRIES, [1, MOST_ENTRIES]) }
    return context.json(await listingOf(pool, pathIn(path ?? '/'), how))
  })
  app.get('/file', async (context) => {
    const { path, from, limit } = context.req.query()
    const extents = {
      from: wholeNumber('from', from, 0, [0, Number.MAX_SAFE_INTEGER]),
      limit: wholeNumber('limit', limit, MOST_EXTENTS, [1, MOST_EXTENTS]),
    }
    return context.json(await fileView(pool, pathIn(path), extents))
  })
  app.patch('/file', changing, async (context) => {
    const path = pathIn(context.req.query('path'))
    await pool.configure(path, policyIn(await bodyOf(context)))
    return context.json(await fileView(pool, path))
  })

  app.get('/pins', async (context) => context.json({ pins: await pool.pins(ofFile(context)) }))
  app.get('/leases', async (context) => context.json({ leases: await pool.leases(ofFile(context)) }))
  app.get('/changes', async (context) => context.json({ changes: await changesIn(pool) }))

  app.get('/lost-and-found', async (context) => context.json({ files: await pool.lostAndFound.list() }))
  app.post('/lost-and-found/reclaim', changing, async (context) => {
    const { name } = await bodyOf(context)
    if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'of type string', name)
    return context.json({ reclaimedBytes: await pool.lostAndFound.reclaim(name) })
  })

  app.get('/events', (context) =>
    eventStream(context, async function* states(signal) {
      for await (const { sequence, json } of watch.states(signal)) {
        yield { event: 'state', id: String(sequence), data: json }
      }
    }),
  )

  app.post('/lab', changing, async (context) => context.json({ id: lab.start(orderOf(await bodyOf(context))) }, 202))
  app.get('/lab/:id/events', (context) => {
    const run = lab.find(context.req.param('id'))
    return eventStream(context, async function* steps(signal) {
      for await (const event of run.events(signal)) {
        yield { event: event.kind, id: String(event.sequence), data: JSON.stringify(event) }
      }
    })
  })
  return app
}

const ofFile = ({ req }: Context): { path?: string } => {
  const path = req.query('path')
  return path === undefined ? {} : { path: pathIn(path) }
}

/** A body of JSON that is an object; none is an empty one. */
async function bodyOf({ req }: Context): Promise<Record<string, unknown>> {
  const text = await req.text()
  if (text === '') return {}
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw invalidValue('body', 'must be JSON', text.slice(0, 80))
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw wrongType('body', 'an object', body)
  return body as Record<string, unknown>
}

/** `setPolicies` checks the words. */
function policyIn({ busy, dax, ...rest }: Record<string, unknown>): PolicyChange {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw invalidValue(unknown, 'is no policy; there are busy and dax', rest[unknown])
  return { busy: busy as PolicyChange['busy'], dax: dax as PolicyChange['dax'] }
}
