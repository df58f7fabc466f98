import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import { assertSupportedPlatform } from '../../src/platform/libc.ts'

const libcUrl = JSON.stringify(import.meta.resolve('../../src/platform/libc.ts'))

function elsewhere(change: string): string {
  const script = `
    ${change}
    const { assertSupportedPlatform } = await import(${libcUrl})
    try { assertSupportedPlatform() } catch (error) { console.log(error.code, error.message) }`
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
}

test('this platform is supported, and asking again costs nothing', () => {
  assertSupportedPlatform()
  const start = process.cpuUsage()
  for (let index = 0; index < 1000; index++) assertSupportedPlatform()
  assert(process.cpuUsage(start).user < 50_000)
})

test('another operating system or processor is refused by our own words, before koffi is loaded', () => {
  assert.match(
    elsewhere(`Object.defineProperty(process, 'platform', { value: 'darwin' })`),
    /^ENOSYS .*Linux x64 and arm64; this is darwin/,
  )
  assert.match(elsewhere(`Object.defineProperty(process, 'arch', { value: 's390x' })`), /^ENOSYS .*this is linux s390x/)
})

test('without koffi the error says that it is missing', () => {
  const change = `
    const { Module } = await import('node:module')
    const load = Module._load
    Module._load = (name, ...rest) => { if (name === 'koffi') throw new Error('gone'); return load(name, ...rest) }`
  assert.match(elsewhere(change), /^ENOSYS .*koffi, which calls libc, cannot be loaded/)
})

test('a page size other than 4096 is refused', () => {
  const change = `
    const { Module } = await import('node:module')
    Module._load = () => ({ load: () => ({ func: () => () => 65536 }) })`
  assert.match(elsewhere(change), /^ENOSYS .*pages of this kernel have 65536 bytes/)
})
