import assert from 'node:assert/strict'
import { test } from 'node:test'

import { BusyWait } from '../../src/fuse/busy-wait.ts'

/** A machine of two CPUs whose clock goes by `wait`. */
class Machine {
  cpus = 2
  ms = 1000
  runnable: number | undefined = 1
  readonly nowMs = (): number => this.ms
  readonly runnableThreads = (): number | undefined => this.runnable
  readonly busyWait = new BusyWait(this)

  /** A wait that a request ends after `us` microseconds; answers for how many of them the loop was awake. */
  wait(us: number): number {
    const start = this.ms
    let awakeUs = 0
    while (this.busyWait.goesOn() && awakeUs < us) {
      this.ms = start + ++awakeUs / 1000
    }
    this.ms = start + us / 1000
    this.busyWait.end()
    return awakeUs
  }
}

test('the loop stays awake for a caller that asks again at once, and not for the first request', () => {
  const machine = new Machine()
  assert.equal(machine.wait(60), 0)
  for (let i = 0; i < 20; i++) assert.equal(machine.wait(20), 20)
})

test('it does not for one that takes its time', () => {
  const machine = new Machine()
  for (let i = 0; i < 20; i++) assert.equal(machine.wait(1000), 0)
})

test('it stays awake for 50 µs, and where that was in vain again and again hardly ever', () => {
  const machine = new Machine()
  const awake = Array.from({ length: 1000 }, () => machine.wait(80))
  assert(awake.every((us) => us <= 51))
  const inVain = awake.filter((us) => us > 0).length
  assert(inVain > 0 && inVain <= 250, `${inVain} of 1000`)
})

test('a caller that was quick and goes away costs two such waits', () => {
  const machine = new Machine()
  for (let i = 0; i < 100; i++) machine.wait(20)
  const awake = Array.from({ length: 20 }, () => machine.wait(5000))
  assert.deepEqual(
    awake.map((us) => us > 0),
    [true, true, ...Array.from({ length: 18 }, () => false)],
  )
})

test('where more threads want to run than there are CPUs, or that is not known, it sleeps; looked at each 4 ms', () => {
  const machine = new Machine()
  const awakeOf = (runnable: number | undefined): number => {
    machine.runnable = runnable
    machine.ms += 4
    return Array.from({ length: 10 }, () => machine.wait(20)).reduce((all, us) => all + us, 0)
  }
  machine.wait(20)
  assert.equal(awakeOf(2), 200)
  assert.equal(awakeOf(3), 0)
  assert.equal(awakeOf(1), 200)
  assert.equal(awakeOf(undefined), 0)
})

test('with one CPU, which the caller needs, it sleeps', () => {
  const machine = new Machine()
  machine.cpus = 1
  for (let i = 0; i < 20; i++) assert.equal(machine.wait(20), 0)
})
