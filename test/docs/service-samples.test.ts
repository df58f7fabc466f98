/** The samples of docs/guide/operating.md for other programs: nginx runs with its one, systemd reads its one. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { asking } from '../http/front-ends.ts'
import { mustRun, temporaryDirectory, until } from '../cli/run-holdfast.ts'
import { startServing } from '../cli/serving.ts'

const GUIDE = new URL('../../docs/guide/operating.md', import.meta.url)

function sample(language: string): string {
  const text = new RegExp(`\n\`\`\`${language}\n([\\s\\S]*?)\`\`\`\n`).exec(readFileSync(GUIDE, 'utf8'))?.[1]
  assert.ok(text !== undefined, `no ${language} in the guide`)
  return text
}

const program = (name: string): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const nginx = program('nginx')
test(
  'behind nginx files, ranges and uploads go through, the inspector does not',
  {
    skip: nginx === undefined ? 'there is no nginx' : false,
  },
  async (t) => {
    const directory = temporaryDirectory(t)
    const pool = join(directory, 'pool')
    await mustRun(['mkfs', pool, '--size', '64M'])
    const served = await startServing(pool, '--write')
    t.after(() => served.child.kill('SIGKILL'))
    const port = await freePort()
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (each) => `${each}_temp_path ${directory}/${each};`,
    )
    const config = join(directory, 'nginx.conf')
    const server = sample('nginx')
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('http://127.0.0.1:8080', `http://127.0.0.1:${served.port}`)
    assert.ok(server.includes(`:${port};`) && server.includes(`:${served.port};`))
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    writeFileSync(
      config,
      `daemon off; ${user} pid ${directory}/nginx.pid; error_log ${directory}/error.log;\n` +
        `events {}\nhttp {\naccess_log off;\n${paths.join('\n')}\n${server}}\n`,
    )
    const proxy = spawn(nginx!, ['-c', config], { stdio: 'ignore' })
    t.after(() => proxy.kill('SIGTERM'))
    const ask = asking(port)
    await until('it listens', () =>
      ask('/_/').then(
        ({ status }) => status === 403,
        () => false,
      ),
    )
    const body = randomBytes(6 << 20)
    const headers = { authorization: `Bearer ${served.token}` }
    assert.equal((await ask('/large', { method: 'PUT', body, headers })).status, 201)
    assert.ok((await ask('/large')).body.equals(body))
    const part = await ask('/large', { headers: { range: 'bytes=1000000-1000099' } })
    assert.deepEqual([part.status, part.body.equals(body.subarray(1_000_000, 1_000_100))], [206, true])
    assert.equal((await ask('/large', { method: 'DELETE' })).status, 401)
    assert.equal((await ask('/_/api/pool')).status, 403)
    assert.equal(await served.end('SIGTERM'), 0)
  },
)

const analyze = program('systemd-analyze')
test('systemd takes the unit', { skip: analyze === undefined ? 'there is no systemd' : false }, (t) => {
  const directory = join(temporaryDirectory(t), 'units')
  mkdirSync(directory)
  const unit = join(directory, 'holdfast.service')
  const text = sample('ini')
  // The program is not installed here.
  writeFileSync(unit, text.replace('/usr/bin/holdfast', process.execPath))
  assert.notEqual(readFileSync(unit, 'utf8'), text)
  execFileSync(analyze!, ['verify', '--man=no', unit], { stdio: 'pipe' })
  writeFileSync(unit, `${text}[Service]\nNoSuchThing=1\nExecStart=relative\n`)
  assert.throws(() => execFileSync(analyze!, ['verify', '--man=no', unit], { stdio: 'pipe' }))
})
