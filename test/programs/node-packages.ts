import assert from 'node:assert/strict'
import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Check } from '../posix/subject.ts'
import { lacks, run } from './run.ts'

const root = join(import.meta.dirname, '..', '..')
/** What the tests below need of a checkout. */
const PARTS = ['package.json', 'package-lock.json', 'tsconfig.json', 'src', 'test']
/** Tests that need no development package; each makes its pools elsewhere. */
const TESTS = [
  'test/platform/libc.test.ts',
  'test/device/file-device-on-tmpfs.test.ts',
  'test/layout/own-slot.test.ts',
  'test/files/access.test.ts',
  'test/pool/file-position.test.ts',
]
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ENOTCACHED/

/** This project, installed and tested there. The whole of its tests by hand: docs/conformance.md. */
export function nodePackageCases(check: Check): void {
  check('npm ci installs what the project needs, and its tests run there', async (at, t) => {
    if (lacks(t, 'npm')) return
    for (const part of PARTS) cpSync(join(root, part), at.path(part), { recursive: true, preserveTimestamps: true })
    const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--fetch-retries=0', '--fetch-timeout=20000']
    try {
      await run(at.directory, 'npm', 'ci', '--omit=dev', '--prefer-offline', ...quiet)
    } catch (error) {
      const reason = NO_REGISTRY.exec(String(error))?.[0]
      if (reason === undefined) throw error
      return t.skip(`npm finds neither its cache nor a registry (${reason})`)
    }
    const installed = readdirSync(at.path('node_modules'))
    assert.ok(installed.includes('koffi') && installed.includes('commander'))
    await run(at.directory, 'npm', 'ls', '--omit=dev')
    // Else it would take itself for a part of this run.
    const alone = ['-u', 'NODE_TEST_CONTEXT', `NODE_COMPILE_CACHE=${at.path('cache')}`]
    const report = await run(at.directory, 'env', ...alone, process.execPath, '--test', ...TESTS)
    assert.match(report, /^# pass [1-9]|^ℹ pass [1-9]/m)
  })
}
