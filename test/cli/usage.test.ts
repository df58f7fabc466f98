import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdfast, main, mustRun, temporaryDirectory } from './run-holdfast.ts'

const root = join(import.meta.dirname, '..', '..')

test('what is typed wrong ends with 2 (fsck: 16), says why and points to help', async () => {
  const cases: [args: string, code: number, message: RegExp][] = [
    ['frobnicate', 2, /^holdfast: unknown command 'frobnicate'\nTry 'holdfast -h'\.\n$/],
    ['trunc', 2, /Did you mean truncate\?/],
    ['ls', 2, /^holdfast: ls: missing required argument 'POOL'\nTry 'holdfast ls -h'\.\n$/],
    ['ls pool / more', 2, /too many arguments/],
    ['mkfs pool', 2, /required option '--size <SIZE>' not specified/],
    ['mkfs pool --size 12q', 2, /'12q' is invalid\. A size is a number with or without k, M, G, T/],
    ['mkfs pool --size 10k', 2, /out of range/],
    ['rm pool /a --busy never', 2, /Allowed choices are fail, wait, sequester/],
    ['rm pool /a --timeout 5', 2, /'5' is invalid\. A duration is a number with ms, s, m or h/],
    ['set pool /a', 2, /nothing to set/],
    ['lost+found ls', 2, /^holdfast: lost\+found ls: /],
    ['fsck pool', 16, /give -n/],
    ['fsck -n', 16, /missing required argument/],
  ]
  await inPairs(cases, async ([args, code, message]) => {
    const result = await holdfast(args.split(' '))
    assert.match(result.errors, message, args)
    assert.deepEqual([result.code, result.text], [code, ''], args)
  })
  const json = await holdfast(['ls', 'pool', '--frobnicate', '--json'])
  assert.deepEqual(JSON.parse(json.errors), { error: { code: 'ERR_USAGE', message: "unknown option '--frobnicate'" } })
})

test('every verb explains itself with an example, within 80 columns', async () => {
  const { text } = await mustRun(['-h'])
  const verbs = [...text.matchAll(/^ {2}([a-z][a-z+-]*) {2,}\S/gm)]
    .map(([, verb]) => verb)
    .filter((verb) => verb !== 'help')
  assert.ok(verbs.length >= 20 && verbs.includes('truncate') && verbs.includes('lost+found'))
  assert.deepEqual(
    text.split('\n').filter((line) => line.length > 80),
    [],
  )
  const pages = [...verbs, ...['ls', 'cat', 'reclaim'].map((verb) => `lost+found ${verb}`)]
  await inPairs(pages, async (verb) => {
    const page = (await mustRun([...verb.split(' '), '-h'])).text
    assert.match(page, new RegExp(`^Usage: holdfast ${verb.replace('+', '\\+')} `), verb)
    assert.deepEqual(
      page.split('\n').filter((line) => line.length > 80),
      [],
    )
    assert.match(page, new RegExp(`\\nExamples:\\n {2}holdfast ${verb.replace('+', '\\+')}`), verb)
  })
})

test('help is asked for with 0, and given for want of a verb with 2', async () => {
  const [asked, wanting, ofVerb] = await Promise.all([holdfast(['help']), holdfast([]), holdfast(['help', 'put'])])
  assert.deepEqual([asked.code, wanting.code, ofVerb.code], [0, 2, 0])
  assert.equal(wanting.errors, asked.text)
  assert.match(ofVerb.text, /^Usage: holdfast put/)
})

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal((await mustRun(['--version'])).text, `${version}\n`)
})

test('an older Node.js is told so, before it meets syntax that it does not know', async () => {
  const old = `Object.defineProperty(process.versions, 'node', { value: '20.19.0' })`
  const { code, text, errors } = await holdfast([main, '--help'], '', `--import=data:text/javascript,${old}`)
  assert.deepEqual([code, text, errors], [1, '', 'holdfast: this is Node.js 20.19.0; it takes 24 or later\n'])
})

test('a pool that is none ends with 1 and says so', async (t) => {
  const directory = temporaryDirectory(t)
  const [missing, none] = await Promise.all([holdfast(['ls', join(directory, 'no')]), holdfast(['ls', directory])])
  assert.deepEqual([missing.code, none.code], [1, 1])
  assert.match(missing.errors, /^holdfast: ls: ENOENT: there is no such directory; make a pool /)
  assert.match(none.errors, /^holdfast: ls: ENOENT: this is no pool/)
})

/** Two at a time, one for each core of a small machine. */
async function inPairs<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item)
  }
  await Promise.all([worker(), worker()])
}
