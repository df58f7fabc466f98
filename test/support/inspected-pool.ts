/** The inspector of a pool, by the server's own app, and a browser to look at it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createAdaptorServer } from '@hono/node-server'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { filesOfPool, makeApp } from '../../src/http/server/app.ts'
import type { Pool } from '../../src/index.ts'
import { metrics } from '../../src/metrics/index.ts'
import { until } from './pinned-content.ts'
import { atEnd, BLOCK, temporaryPool } from './temporary-pool.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const HOST = '127.0.0.1'
export const TOKEN = 'token-of-the-test'

export interface BuiltPage extends Disposable {
  readonly directory: string
}

/** Builds the page into a directory of its own: what a server serves at that time stays. Seconds. */
export function builtPage(): BuiltPage {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-page-'))
  const vite = join(root, 'node_modules/vite/bin/vite.js')
  const how = ['build', 'web', '--outDir', directory, '--emptyOutDir', '--logLevel', 'error']
  execFileSync(process.execPath, [vite, ...how], { cwd: root })
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
}

/** For all tests of a suite: one browser, and the page. */
export function oneBrowser(): { readonly browser: Browser; readonly page: BuiltPage } {
  const made: { browser?: Browser; page?: BuiltPage } = {}
  before(async () => {
    made.page = builtPage()
    made.browser = await launched()
  })
  after(async () => {
    await made.browser?.close()
    made.page?.[Symbol.dispose]()
  })
  return made as Required<typeof made>
}

const servers = new Map<string, Server>()

/** Ends every connection to the inspector at this address, as a server does that ends. */
export const cutOff = (address: string): void => servers.get(address)?.closeAllConnections()

/** Serves the pool; returns the inspector's address, which ends in '/_/'. */
export async function inspected(t: TestContext, pool: Pool, page: BuiltPage): Promise<string> {
  const counted = metrics(pool)
  const onError = (error: unknown): void => console.error(error)
  const files = filesOfPool(pool, { token: TOKEN, onError })
  const app = makeApp({
    pool,
    files,
    metrics: counted,
    token: TOKEN,
    loopbackName: HOST,
    page: page.directory,
    onError,
  })
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = `http://${HOST}:${(server.address() as AddressInfo).port}/_/`
  servers.set(address, server)
  atEnd(t, () => {
    servers.delete(address)
    server.closeAllConnections()
    server.close()
    counted[Symbol.dispose]()
  })
  return address
}

/** A pool with blocks of every kind: pinned, stably pinned, in lost+found. */
export async function heldPool(t: TestContext): Promise<Pool> {
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  await pool.mkdir('/frames')
  for (const [name, blocks] of [
    ['/video.bin', 900],
    ['/frames/0001.raw', 200],
    ['/log', 40],
  ] as const)
    await pool.writeFile(name, Buffer.alloc(blocks * BLOCK, name))
  const video = await pool.open('/video.bin', 'r+')
  const pin = await video.pin({ offset: 100 * BLOCK, length: 200 * BLOCK, mode: 'read' })
  await video.punchHole(150 * BLOCK, 100 * BLOCK)
  const stable = await video.pin({ offset: 500 * BLOCK, length: 64 * BLOCK, mode: 'read', stable: true })
  atEnd(t, () => {
    pin.release()
    stable.release()
  })
  // What was given back becomes free by itself, some time: before anybody looks.
  await until('nothing is on its way to be free', async () => {
    await pool.reap()
    return (await pool.stats()).busyBytes === 0
  })
  return pool
}

/** Where Debian and others put it; undefined: there is none. */
export const chromiumPath = (): string | undefined =>
  [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (path) => path !== undefined && existsSync(path),
  )

/** Why tests are skipped. */
export const NO_CHROMIUM =
  'there is no Chromium here (Debian: apt-get install chromium; or set CHROMIUM to where it is)'

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
