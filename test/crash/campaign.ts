/** A campaign: a workload is recorded, and every image of every step examined. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openPool } from '../../src/index.ts'
import { Random } from '../stress/random.ts'
import { examine } from './examine.ts'
import type { Choice, Image } from './images.ts'
import { imagesOf, writeImage } from './images.ts'
import type { Step } from './recorder.ts'
import { Recorder } from './recorder.ts'
import type { SceneFaults, Workload } from './scene.ts'
import { Scene } from './scene.ts'

export interface CampaignOptions {
  /** Where the pools are made. */
  readonly directory: string
  readonly seed: number
  /** Images of each step, at most. */
  readonly most: number
  readonly faults?: SceneFaults
  /** Changes of names are committed late. Default false. */
  readonly isLate?: boolean
  /** A power failure is taken for the death of a process: nothing is repaired. */
  readonly hidesPowerCuts?: boolean
  /** Every so many images the recovery is recorded, and the images of its steps examined. Default: never. */
  readonly recoveriesEvery?: number
}

export interface CampaignResult {
  readonly steps: number
  readonly images: number
  /** Of these, images of a recovery that was cut off itself. */
  readonly recoveries: number
  /** Of the first image that is not as it should be. */
  readonly findings: readonly string[]
}

export async function campaign(workload: Workload, options: CampaignOptions): Promise<CampaignResult> {
  const { directory, seed, most } = options
  const scene = await Scene.of(directory, new Random(seed), options.faults, options.isLate)
  await workload(scene)
  await scene.end()
  const { steps, portraits } = scene.recorder
  const path = join(directory, 'image')
  mkdirSync(join(path, 'pins'), { recursive: true })
  const random = new Random(seed)
  const known = new Set<string>()
  let images = 0
  let recoveries = 0
  for (const step of steps) {
    for (const image of imagesOf(step, { most, random, known })) {
      images++
      const expected = { image, portrait: portraits[image.commit] }
      writeImage(path, image, options.hidesPowerCuts)
      const isRecorded =
        !image.isTorn && options.recoveriesEvery !== undefined && images % options.recoveriesEvery === 0
      const recorder = isRecorded ? new Recorder(path) : undefined
      let opened = 0
      const findings = await examine(path, expected, async () => {
        const pool = await (recorder === undefined ? openPool(path) : recorder.open())
        opened = recorder?.steps.length ?? 0
        return pool
      })
      recorder?.close()
      if (findings.length > 0)
        return { steps: steps.length, images, recoveries, findings: [image.description, ...findings] }
      for (const again of imagesOfAll(recorder?.steps.slice(0, opened) ?? [], { most, random, known: new Set() })) {
        recoveries++
        writeImage(path, again, options.hidesPowerCuts)
        const more = await examine(path, { image: again, portrait: expected.portrait })
        if (more.length > 0) {
          const what = `recovery of: ${image.description}`
          return { steps: steps.length, images, recoveries, findings: [what, again.description, ...more] }
        }
      }
    }
  }
  return { steps: steps.length, images, recoveries, findings: [] }
}

function* imagesOfAll(steps: readonly Step[], choice: Choice): Generator<Image> {
  for (const step of steps) yield* imagesOf(step, choice)
}
