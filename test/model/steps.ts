/** Operations as fast-check's commands: the model and a system do each, and the model says whether that is right. */
import type fc from 'fast-check'
import type { Witnessed } from './expectations.ts'
import type { Model } from './model.ts'
import { perform } from './model.ts'
import type { Operation, Outcome } from './operations.ts'
import { textOf } from './operations.ts'

/** Whoever is asked to do operations. */
export interface System {
  /** For failures. */
  readonly name: string
  readonly witnessed: Witnessed
  perform(operation: Operation): Promise<Outcome>
}

/** What a run of commands is about. */
export interface Stage {
  readonly systems: readonly System[]
}

export type Command<Real extends Stage> = fc.AsyncCommand<Model, Real>

/** `isPossible`: what a system cannot be asked. */
export function step<Real extends Stage>(
  operation: Operation,
  isPossible: (model: Model) => boolean = () => true,
): Command<Real> {
  return {
    check: (model) => (model as Model).mayPerform(operation) && isPossible(model as Model),
    run: async (model, { systems }) => {
      const outcomes: Outcome[] = []
      // The model last: it knows who has open what is closed by this.
      for (const system of systems) outcomes.push(await system.perform(operation))
      const expectation = perform(model, operation)
      for (const [index, system] of systems.entries())
        judged(`${system.name}: ${textOf(operation)}`, () => expectation(outcomes[index], system.witnessed))
    },
    toString: () => textOf(operation),
  }
}

/** Says what it was about when it fails. */
export function judged(what: string, judge: () => void): void {
  try {
    judge()
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** Something else that is done in between. */
export const aside = <Real extends Stage>(
  text: string,
  run: (model: Model, real: Real) => Promise<void>,
): Command<Real> => ({ check: () => true, run, toString: () => text })
