/** A pool behind the API and the built page, as the server puts them together; and a browser to look at it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { contentType } from 'mime-types'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { apiRoutes } from '../../src/http/api/index.ts'
import type { Pool } from '../../src/index.ts'
import { atEnd } from './temporary-pool.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
export const TOKEN = 'token-of-the-test'

/** Builds the page; seconds. */
export const buildPage = (): void =>
  void execFileSync(
    process.execPath,
    [join(root, 'node_modules/vite/bin/vite.js'), 'build', 'web', '--logLevel', 'error'],
    {
      cwd: root,
    },
  )

/** Serves the pool's inspector; returns its address, which ends in '/_/'. */
export async function inspected(t: TestContext, pool: Pool): Promise<string> {
  const app = new Hono()
  app.use(async (context, next) => {
    context.header('content-security-policy', POLICY)
    await next()
  })
  const mayChange = ({ headers }: Request): boolean => headers.get('authorization') === `Bearer ${TOKEN}`
  app.route('/_/api', apiRoutes(pool, { mayChange }))
  app.get('/_/*', ({ req, body, notFound }) => {
    const name = req.path.slice('/_/'.length) || 'index.html'
    const path = join(root, 'web/dist', name)
    if (name.includes('..') || !existsSync(path)) return notFound()
    return body(readFileSync(path), 200, { 'content-type': contentType(extname(path)) || 'text/plain' })
  })
  const server = createAdaptorServer({ fetch: app.fetch })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/_/`
}

/** Where Debian and others put it; undefined: there is none. */
export const chromiumPath = (): string | undefined =>
  [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (path) => path !== undefined && existsSync(path),
  )

/** Not as root, whom the sandbox refuses. */
export const launched = (): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath()!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })

/** A page with the inspector in it; what its console says of errors is in `complaints`. */
export async function opened(
  t: TestContext,
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  atEnd(t, () => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(address)
  await page.getByText('live', { exact: true }).waitFor()
  return { page, complaints }
}
