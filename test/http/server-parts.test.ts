/** Parts of the server that have rules of their own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReading, newToken, showsToken } from '../../src/http/server/authority.ts'
import { isLoopback, isOwnName } from '../../src/http/server/host-names.ts'
import { inWords } from '../../src/http/server/logging.ts'

test('loopback is 127.0.0.0/8 and ::1, as addresses', () => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1']) assert.equal(isLoopback(address), true, address)
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost',
    '',
    '127.0.0.1.nip.io',
    '::ffff:10.0.0.1',
  ])
    assert.equal(isLoopback(address), false, address)
})

test('a Host header is taken by its name, whatever the port', () => {
  assert.equal(isOwnName('files.test:80', 'files.test'), true)
  assert.equal(isOwnName('[::1]:8080', '127.0.0.1'), true)
  assert.equal(isOwnName(undefined, '127.0.0.1'), false)
  assert.equal(isOwnName('evil.test:127.0.0.1', '127.0.0.1'), false)
  assert.equal(isOwnName('127.0.0.1:80@evil.test', '127.0.0.1'), false)
})

test('a token is shown whole, as Bearer', () => {
  const token = newToken()
  assert.notEqual(token, newToken())
  assert.equal(showsToken(`Bearer ${token}`, token), true)
  assert.equal(showsToken(`bearer  ${token}`, token), true)
  for (const wrong of [undefined, '', token, `Bearer ${token.slice(1)}`, `Bearer ${token} x`, `Token ${token}`])
    assert.equal(showsToken(wrong, token), false, wrong)
  assert.deepEqual(['GET', 'HEAD', 'OPTIONS', 'get', 'POST', 'LOCK'].map(isReading), [
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('a log line in words holds no control characters', () => {
  const time = '2026-01-02T03:04:05.678Z'
  assert.equal(
    inWords({ level: 'info', time, msg: 'GET', path: '/a\u001B[2J', status: 200, bytes: 5, ms: 3, outcome: 'whole' }),
    '03:04:05 GET /a?[2J 200 5B 3ms',
  )
  assert.equal(
    inWords({ level: 'info', time, msg: 'GET', path: '/a', status: 499, bytes: 5, outcome: 'aborted', why: 'client' }),
    '03:04:05 GET /a 499 5B aborted (client)',
  )
  assert.equal(
    inWords({ level: 'error', time, msg: 'a response failed', err: { message: 'EIO' }, path: '/a' }),
    '03:04:05 error: a response failed /a EIO',
  )
})
