/**
 * What is where: files of the pool under `/`; under `/_/` the inspector, `/_/metrics` and `/_/api`.
 *
 * Invariants
 *   1. Nothing is answered to who calls the server by another name than its own, while it is for this machine only.
 *   2. A method that may change something gets to the files or the API with the token, or not at all.
 *   3. Every response has the security headers. No response allows another origin anything: there is no CORS.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Context, MiddlewareHandler } from 'hono'
import type { PoolMetrics } from '../../metrics/index.ts'
import type { Pool } from '../../pool/pool.ts'
import { apiRoutes } from '../api/index.ts'
import { Files } from '../files/files.ts'
import { serveThem } from '../files/serve-files.ts'
import { isReading, showsToken } from './authority.ts'
import { isOwnName } from './host-names.ts'
import { servePage } from './page.ts'
import { FOR_ALL, FOR_FILES, FOR_FILES_BESIDE_TOKEN, FOR_PAGE } from './security-headers.ts'

/** Largest body of a request to the API. */
const API_BYTES = 64 << 10

/** Largest body of a PUT. */
const PUT_BYTES = 2 ** 40

export interface AppParts {
  readonly pool: Pool
  readonly files: Files
  readonly metrics: PoolMetrics
  /** Undefined: nothing may be changed. */
  readonly token: string | undefined
  /** The name it listens as, when that is for this machine only. */
  readonly loopbackName: string | undefined
  /** Directory of the built inspector. */
  readonly page: string | undefined
  readonly onError: (error: unknown, path: string) => void
}

/** The files of the pool. `token`: they may be changed, by who shows it. */
export function filesOfPool(pool: Pool, { token, onError }: Pick<AppParts, 'token' | 'onError'>): Files {
  const write = token === undefined ? undefined : { maxBytes: PUT_BYTES }
  return new Files(pool, { onError, write }, new Map(Object.entries(forFiles(token))))
}

const forFiles = (token: string | undefined): Readonly<Record<string, string>> =>
  withPolicy(token === undefined ? FOR_FILES : FOR_FILES_BESIDE_TOKEN)

const withPolicy = (policy: string): Readonly<Record<string, string>> => ({
  ...FOR_ALL,
  'content-security-policy': policy,
})

export function makeApp(parts: AppParts): Hono {
  const { pool, files, metrics, token, loopbackName, page, onError } = parts
  const app = new Hono()
  const ofPage = withHeaders(withPolicy(FOR_PAGE))
  const ofFiles = withHeaders(forFiles(token))
  app.use((context, next) => (isOwn(context) ? ofPage : ofFiles)(context, next))
  if (loopbackName !== undefined) app.use(onlyAs(loopbackName))
  app.use(mayChange(token))

  app.get('/_', (context) => context.redirect('/_/', 301))
  app.get('/_/metrics', async (context) =>
    context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  )
  const isShown = (request: Request): boolean =>
    token !== undefined && showsToken(request.headers.get('authorization') ?? undefined, token)
  const tooLong = (context: Context): Response => refuse(context, 413, 'EMSGSIZE', 'the body is too long')
  app.use('/_/api/*', bodyLimit({ maxSize: API_BYTES, onError: tooLong }))
  app.route('/_/api', apiRoutes(pool, { mayChange: isShown }))
  if (page !== undefined) app.get('/_/*', servePage(page, '/_/'))
  else app.get('/_/', (context) => context.text('The inspector is not built.\n', 404))
  app.all('/_/*', (context) => refuse(context, 404, 'ENOENT', 'there is nothing here'))

  const methods = ['GET', 'HEAD', ...(token === undefined ? [] : ['PUT', 'DELETE'])]
  app.use(serveThem(files))
  app.notFound((context) => {
    const { method, path } = context.req
    if (!methods.includes(method)) return context.text('Method not allowed\n', 405, { allow: methods.join(', ') })
    // A pool without an index.html shows its inspector, which lists the files.
    return path === '/' ? context.redirect('/_/') : context.text('Not found\n', 404)
  })
  app.onError((error, context) => {
    onError(error, context.req.path)
    return refuse(context, 500, 'ERR_INTERNAL', 'something went wrong; the log says what')
  })
  return app
}

const isOwn = ({ req }: Context): boolean => req.path === '/_' || req.path.startsWith('/_/')

const refuse = (context: Context, status: 401 | 403 | 404 | 413 | 421 | 500, code: string, message: string): Response =>
  context.json({ error: { code, message } }, status)

/** Invariant 1. */
const onlyAs =
  (name: string): MiddlewareHandler =>
  async (context, next) => {
    const host = context.req.header('host')
    if (isOwnName(host, name)) return next()
    const message = `this server is called ${name} or localhost, not ${host ?? 'nothing'}; behind a proxy, pass no Host on`
    return refuse(context, 421, 'EACCES', message)
  }

/** Invariant 2. */
const mayChange =
  (token: string | undefined): MiddlewareHandler =>
  async (context, next) => {
    if (isReading(context.req.method)) return next()
    if (token === undefined) return refuse(context, 403, 'EROFS', 'nothing may be changed here; serve with --write')
    if (showsToken(context.req.header('authorization'), token)) return next()
    context.header('www-authenticate', 'Bearer realm="holdfast"')
    return refuse(
      context,
      401,
      'EACCES',
      'this needs "authorization: Bearer TOKEN"; the token was printed at the start',
    )
  }

/** Invariant 3. Before, for what sends by itself, and behind, for responses made without the context. */
const withHeaders = (fields: Readonly<Record<string, string>>): MiddlewareHandler => {
  const headers = Object.entries(fields)
  return async (context, next) => {
    for (const [name, value] of headers) context.header(name, value)
    await next()
    for (const [name, value] of headers) if (!context.res.headers.has(name)) context.res.headers.set(name, value)
  }
}
