/**
 * The crash images can fail: each class of defect that they are there for, planted once, is found. The faults are put in
 * between a pool and what it stands on; the sources have no switches for them.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Device } from '../../src/device/device.ts'
import type { AllocateRequest, Layout, Metadata, Patience } from '../../src/metadata/metadata.ts'
import type { Run } from '../../src/units.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { CampaignOptions } from './campaign.ts'
import { campaign } from './campaign.ts'
import { stampOf } from './file-contents.ts'
import type { Workload } from './scene.ts'
import { WORKLOADS } from './workloads.ts'

const SEED = 5
const nothing = (): void => undefined
const soon = (): Promise<void> => Promise.resolve()

/** The same object but for some methods. */
function but<T extends object>(whole: T, changed: Partial<T>): T {
  return new Proxy(whole, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in changed ? changed : target, name, name in changed ? changed : target)
      return typeof value === 'function' ? (value as () => unknown).bind(name in changed ? changed : target) : value
    },
  })
}

async function findingsOf(
  t: TestContext,
  workload: Workload,
  planted: Pick<CampaignOptions, 'faults' | 'hidesPowerCuts'>,
): Promise<string> {
  const options = { directory: temporaryDirectory(t), seed: SEED, most: 8 }
  try {
    const { findings } = await campaign(workload, { ...options, ...planted })
    return findings.join('\n')
  } catch (error) {
    // The recorder itself sees some of them.
    return String(error)
  }
}

/** Writes into blocks before the transaction that gives them to the file is committed. */
const writesEarly = (device: () => Device, metadata: Metadata): Metadata =>
  but(metadata, {
    allocate: (
      request: AllocateRequest,
      prepare: (runs: readonly Run[], before: Layout) => void,
      patience?: Patience,
    ) =>
      metadata.allocate(
        request,
        (runs, before) => {
          prepare(runs, before)
          for (const run of runs) new Uint32Array(device().map(run)).fill(stampOf(request.ino, 0xffff))
        },
        patience,
      ),
  })

describe('a planted defect is found:', () => {
  const reused = WORKLOADS['blocks used again']
  const cut = WORKLOADS['truncate against pins: sequester']

  test('blocks are reclaimed before the transaction that freed them is durable', async (t) => {
    const reclaiming: NonNullable<CampaignOptions['faults']>['reclaiming'] = (work) => ({
      ...work,
      metadata: but(work.metadata, { sync: soon }),
    })
    assert.match(await findingsOf(t, reused, { faults: { reclaiming } }), /shows what it never was/)
  })

  test('blocks are released before their discard is flushed', async (t) => {
    const reclaiming: NonNullable<CampaignOptions['faults']>['reclaiming'] = (work) => ({
      ...work,
      device: but(work.device, { flush: soon }),
    })
    assert.match(await findingsOf(t, reused, { faults: { reclaiming } }), /never was/)
  })

  test('blocks are released without a discard', async (t) => {
    const device = (real: Device): Device => but(real, { discard: nothing })
    assert.match(await findingsOf(t, reused, { faults: { device } }), /shows what is not its own|not zero/)
  })

  test('data is written before its allocation is committed', async (t) => {
    let device: Device | undefined
    const faults = {
      device: (real: Device) => (device = real),
      metadata: (real: Metadata) => writesEarly(() => device!, real),
    }
    assert.match(await findingsOf(t, WORKLOADS['append'], { faults }), /not zero/)
  })

  test('nothing is repaired after a power failure', async (t) => {
    assert.match(await findingsOf(t, WORKLOADS['append'], { hidesPowerCuts: true }), /not zero|host has space for/)
  })

  test('a sync leaves the device out', async (t) => {
    const device = (real: Device): Device => but(real, { flush: soon })
    const findings = await findingsOf(t, WORKLOADS['append'], { faults: { device } })
    assert.match(findings, /never was/)
  })

  test('a sync leaves the log out', async (t) => {
    const metadata = (real: Metadata): Metadata => but(real, { sync: soon })
    assert.match(await findingsOf(t, WORKLOADS['append'], { faults: { metadata } }), /before the log was synced/)
  })

  test('an edge copy is not flushed before it takes its place', async (t) => {
    const device = (real: Device): Device => but(real, { flushRun: nothing })
    assert.match(await findingsOf(t, cut, { faults: { device } }), /never was/)
  })
})
