/**
 * Set-up before every npm script: the locked packages, and among them a Node that runs TypeScript.
 *
 * Invariants
 *   1. Runs on Node 20 and later with no package installed: plain JavaScript, built-in modules only.
 *   2. Changes nothing when node_modules already holds what package-lock.json says.
 *   3. At most one installation at a time in a checkout: the lock is a name in Linux' abstract socket
 *      namespace, so the kernel drops it when its holder dies, and nobody has to clean up.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24

const root = realpathSync(fileURLToPath(new URL('..', import.meta.url)))
const modules = join(root, 'node_modules')
const ownNode = join(modules, '.bin', 'node')

/** @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage */

if (!isReady()) {
  const release = await acquireLock()
  if (!isReady()) install()
  release()
}

function isReady() {
  return isInstalled() && nodeMajor() >= NODE_MAJOR_MIN
}

/** Whether node_modules is what package-lock.json says; npm writes its own record last, so half an installation has none. */
function isInstalled() {
  const wanted = readPackages(join(root, 'package-lock.json'))
  if (wanted === null) fail('package-lock.json is missing or damaged: restore it with git.')
  const found = readPackages(join(modules, '.package-lock.json'))
  if (found === null) return false
  return Object.entries(wanted).every(([path, locked]) => {
    if (path === '') return true
    const installed = found[path]
    if (installed === undefined) return locked.optional === true
    return installed.version === locked.version && installed.integrity === locked.integrity
  })
}

/**
 * @param {string} path
 * @returns {Record<string, LockedPackage> | null}
 */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null
  } catch {
    return null
  }
}

/** The major version of the Node that npm scripts get: the installed one, else the one in PATH; 0 when it does not run. */
function nodeMajor() {
  if (realpathOrNull(ownNode) === process.execPath) return majorOf(process.version)
  const { status, stdout } = spawnSync('node', ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: [join(modules, '.bin'), process.env.PATH].join(delimiter) },
  })
  return status === 0 ? majorOf(stdout) : 0
}

/** @param {string} version */
function majorOf(version) {
  return Number(/^v(\d+)\./.exec(version)?.[1] ?? 0)
}

/** @param {string} path */
function realpathOrNull(path) {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

function install() {
  process.stderr.write('holdfast: installing the locked packages (npm ci), once …\n')
  // npm must not run on the Node that it is about to replace.
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(modules + sep))
  const { status, error } = spawnSync('npm', ['ci', '--include=dev', '--engine-strict=false', '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, PATH: path.join(delimiter) },
    stdio: ['ignore', 2, 2],
  })
  if (error) fail(`npm could not be started: ${error.message}`)
  if (status !== 0) fail('npm ci failed (see above). Nothing runs without the packages in package-lock.json.')
  if (nodeMajor() >= NODE_MAJOR_MIN) return
  // The package `node` is built for glibc: where it does not run, as on musl, a new enough Node of the machine will do.
  rmSync(ownNode, { force: true })
  if (nodeMajor() >= NODE_MAJOR_MIN) return
  fail(
    `Holdfast needs Node ${NODE_MAJOR_MIN} or later. This machine has ${process.version}, and the one from the npm package ` +
      `'node' is missing or does not run here.\n` +
      `  - npm configured with ignore-scripts: run  npm ci --ignore-scripts=false\n` +
      `  - Alpine and other musl systems: install Node ${NODE_MAJOR_MIN} or later from the system's packages.`,
  )
}

/**
 * Waits for its turn without polling: whoever finds the name taken connects to it, and is cut off when its holder is done.
 *
 * @returns {Promise<() => void>}
 */
async function acquireLock() {
  const name = `\0holdfast-setup-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`
  for (let isFirst = true; ; isFirst = false) {
    const server = createServer()
    const taken = await new Promise((resolve) => {
      server.once('error', (error) => resolve(error))
      server.listen(name, () => resolve(null))
    })
    if (taken === null) {
      /** @type {Set<import('node:net').Socket>} */
      const waiting = new Set()
      server.on('connection', (socket) => {
        waiting.add(socket.on('error', () => {}))
      })
      return () => {
        server.close()
        for (const socket of waiting) socket.destroy()
      }
    }
    if (taken.code !== 'EADDRINUSE') fail(`cannot take the lock of the set-up: ${taken.message}`)
    if (isFirst) process.stderr.write('holdfast: waiting for another set-up of this checkout …\n')
    await new Promise((resolve) => {
      connect(name).on('error', resolve).on('close', resolve).resume()
    })
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  process.stderr.write(`holdfast: ${message}\n`)
  process.exit(1)
}
