/**
 * An explorer of interleavings. Actors run the real, synchronous code of the layout over `Words` that stop before every
 * operation on memory somebody else uses too. All schedules are tried, including an actor's death before any operation;
 * states seen before are not entered again.
 *
 * How. An actor is a function. To learn its next operation it is run from its start, its earlier operations answered from
 * a record of their results, until it asks for one that has no answer yet; then it is abandoned by an exception. What it
 * does next depends on those results only, so actors are trees: a node is an operation, its children are results. A state
 * is the shared memory and a node for each actor.
 *
 * Memory that only one actor ever touches, or nobody ever changes, is cold: its operations commute with everything others
 * do, so no schedule is lost by running them at once. What is cold is found out while exploring: the first time a second
 * actor comes across it, it is hot from then on and the exploration starts again.
 */
import type { Words } from '../../src/layout/words.ts'

/** An operation on shared memory, or an atomic step of the model. */
interface Operation {
  readonly kind: 'load' | 'store' | 'add' | 'swap' | 'get' | 'set' | 'step'
  readonly address: number
  readonly value: number
  readonly expected: number
  readonly name: string
  readonly step: ((memory: ModelMemory) => number) | undefined
  readonly isEnabled: ((memory: ModelMemory) => boolean) | undefined
}

/** What steps of the model and watchers see. Addresses are hot ones. */
export interface ModelMemory {
  get(address: number): number
  set(address: number, value: number): void
}

export interface ActorDefinition {
  readonly name: string
  /** Runs with a clean object world: everything it needs it makes from `memory`. Operations before `start()` are set-up. */
  readonly run: (actor: ActorContext) => void
  readonly isMortal?: boolean
}

export interface ActorContext {
  readonly index: number
  /** Words from `base` on. */
  words(base: number): Words
  /** Ends the set-up: from here on operations count. */
  start(): void
  /** One atomic step on the model. Waits while `isEnabled` says no. */
  step(name: string, step: (memory: ModelMemory) => number, isEnabled?: (memory: ModelMemory) => boolean): number
}

export interface Scenario {
  readonly actors: readonly ActorDefinition[]
  /** Addresses of the model: always hot. */
  readonly hot: readonly number[]
  /** Words that are not 0 before the actors set up. */
  readonly initial: ReadonlyMap<number, number>
  /** What an actor's death changes, at once: locks fall. */
  readonly onDeath?: (memory: ModelMemory, actor: number) => void
  /** Sees each operation with the memory after it; may note things in model words. Throws when a promise is broken. */
  readonly onOperation?: (memory: ModelMemory, actor: number, kind: string, address: number, value: number) => void
  /** Looks at each new state. Throws when a promise is broken. */
  readonly check: (memory: ModelMemory) => void
  /** Looks at each state in which nobody has anything left to do. */
  readonly checkEnd?: (memory: ModelMemory) => void
  /**
   * Plain accesses that are done together with what the actor did before. Right for words that are written once, before
   * their publication, and read after it.
   */
  readonly isQuiet?: (address: number) => boolean
}

export interface Exploration {
  readonly states: number
  readonly transitions: number
  readonly hotWords: number
  /** The first broken promise, with the schedule that breaks it. */
  readonly violation: { readonly message: string; readonly schedule: readonly string[] } | undefined
}

/** A Set takes no more: 2^24. */
const MOST_KEYS = 0xff_ffff

class Suspended extends Error {}
class NewHotWord extends Error {}
/** One will do: a stack for each would be most of the work. */
const suspended = new Suspended()

interface Node {
  /** Undefined: the actor has nothing left to do. */
  readonly operation: Operation | undefined
  readonly id: number
  readonly results: readonly number[]
  readonly children: Map<number, Node>
}

function afterOperation({ kind, value, expected }: Operation, before: number): number {
  if (kind === 'store' || kind === 'set') return value
  if (kind === 'add') return (before + value) | 0
  return kind === 'swap' && before === expected ? value : before
}

function wordsOver(base: number, perform: (operation: Operation) => number): Words {
  const operation = (kind: Operation['kind'], index: number, value = 0, expected = 0): number =>
    perform({
      kind,
      address: base + index,
      value: value | 0,
      expected,
      name: '',
      step: undefined,
      isEnabled: undefined,
    })
  return {
    load: (index) => operation('load', index),
    store: (index, value) => void operation('store', index, value),
    add: (index, delta) => operation('add', index, delta),
    compareExchange: (index, expected, replacement) => operation('swap', index, replacement, expected),
    get: (index) => operation('get', index),
    set: (index, value) => void operation('set', index, value),
    // Two words, as in MappedWords; numbers are small.
    getWide: (index) => operation('get', index) + operation('get', index + 1),
    setWide: (index, value) => {
      operation('set', index, value)
      operation('set', index + 1)
    },
  }
}

/** Memory after the set-up of every actor, one after the other. */
function afterSetUp({ actors, initial }: Scenario): Map<number, number> {
  const memory = new Map(initial)
  for (const [index, actor] of actors.entries()) {
    const perform = (operation: Operation): number => {
      const before = memory.get(operation.address) ?? 0
      memory.set(operation.address, afterOperation(operation, before))
      return before
    }
    try {
      actor.run({
        index,
        words: (base) => wordsOver(base, perform),
        start: () => {
          throw suspended
        },
        step: () => 0,
      })
    } catch (error) {
      if (error !== suspended) throw error
    }
  }
  return memory
}

class Explorer {
  readonly #scenario: Scenario
  /** After everybody's set-up. */
  readonly #initial: ReadonlyMap<number, number>
  readonly #hot: Map<number, number>
  readonly #readers = new Map<number, number>()
  readonly #writers = new Map<number, number>()
  readonly #memories = new Map<string, Memory>()
  #nextNode = 1
  states = 0
  transitions = 0

  constructor(scenario: Scenario, initial: ReadonlyMap<number, number>, hot: readonly number[]) {
    this.#scenario = scenario
    this.#initial = initial
    this.#hot = new Map([...new Set(hot)].map((address, index) => [address, index]))
  }

  get hotWords(): number[] {
    return [...this.#hot.keys()]
  }

  explore(): Exploration['violation'] {
    const { actors } = this.#scenario
    const words = new Int32Array(this.#hot.size)
    for (const [address, index] of this.#hot) words[index] = this.#initial.get(address) ?? 0
    const memory = this.#shared(words)
    const roots = actors.map((_, actor) => this.#replay(actor, []))
    const seen = [new Set<string>()]
    const first: State = { memory, nodes: roots, dead: 0, parent: undefined, actor: 0, operation: undefined, result: 0 }
    const stack = [first]
    seen[0].add(keyOf(first))
    while (stack.length > 0) {
      const state = stack.pop()!
      this.states++
      let isStuck = true
      let isUnfinished = false
      for (let actor = 0; actor < actors.length; actor++) {
        if ((state.dead & (1 << actor)) !== 0) continue
        const { operation } = state.nodes[actor]
        if (operation === undefined) continue
        isUnfinished = true
        const next = this.#turn(state, actor, operation)
        if (typeof next === 'string')
          return { message: next, schedule: scheduleOf(actors, state, `${actors[actor].name}: ${nameOf(operation)}`) }
        if (next !== undefined) {
          isStuck = false
          if (this.#isNew(seen, next)) stack.push(next)
        }
        if (actors[actor].isMortal === true) {
          const after = this.#afterDeath(state, actor)
          if (typeof after === 'string')
            return { message: after, schedule: scheduleOf(actors, state, `${actors[actor].name} dies`) }
          if (this.#isNew(seen, after)) stack.push(after)
        }
      }
      if (isUnfinished && isStuck)
        return { message: 'everybody waits for ever', schedule: scheduleOf(actors, state, '') }
      if (!isUnfinished) {
        const broken = messageOf(() => this.#scenario.checkEnd?.(this.#model(state.memory.words)))
        if (broken !== undefined) return { message: broken, schedule: scheduleOf(actors, state, 'end') }
      }
    }
    return undefined
  }

  #isNew(seen: Set<string>[], state: State): boolean {
    this.transitions++
    const key = keyOf(state)
    if (seen.some((keys) => keys.has(key))) return false
    if (seen[0].size === MOST_KEYS) seen.unshift(new Set())
    seen[0].add(key)
    return true
  }

  /** An actor's operation, and what follows from it quietly. */
  #turn(state: State, actor: number, operation: Operation): State | string | undefined {
    let next = this.#performed(state, actor, operation)
    while (typeof next === 'object') {
      const then = next.nodes[actor].operation
      if (then === undefined || (then.kind !== 'get' && then.kind !== 'set')) break
      if (this.#scenario.isQuiet?.(then.address) !== true) break
      next = this.#performed(next, actor, then)
    }
    return next
  }

  /** The state after an actor's operation; undefined when it has to wait; a message when that broke a promise. */
  #performed(state: State, actor: number, operation: Operation): State | string | undefined {
    const { kind, address, value } = operation
    let { memory } = state
    let result = 0
    if (kind === 'load' || kind === 'get') {
      result = memory.words[this.#hot.get(address)!]
    } else {
      const words = memory.words.slice()
      const model = this.#model(words)
      if (operation.isEnabled !== undefined && !operation.isEnabled(model)) return undefined
      if (kind === 'step') {
        result = operation.step!(model)
      } else {
        const index = this.#hot.get(address)!
        if (kind !== 'store' && kind !== 'set') result = words[index]
        words[index] = afterOperation(operation, words[index])
      }
      const broken = messageOf(() => {
        this.#scenario.onOperation?.(model, actor, kind, address, value)
        this.#scenario.check(model)
      })
      if (broken !== undefined) return broken
      memory = this.#shared(words)
    }
    const node = state.nodes[actor]
    let child = node.children.get(result)
    if (child === undefined) {
      child = this.#replay(actor, [...node.results, result])
      node.children.set(result, child)
    }
    const nodes = state.nodes.slice()
    nodes[actor] = child
    return { memory, nodes, dead: state.dead, parent: state, actor, operation, result }
  }

  #afterDeath(state: State, actor: number): State | string {
    const words = state.memory.words.slice()
    const model = this.#model(words)
    const broken = messageOf(() => {
      this.#scenario.onDeath?.(model, actor)
      this.#scenario.check(model)
    })
    if (broken !== undefined) return broken
    const memory = this.#shared(words)
    return {
      memory,
      nodes: state.nodes,
      dead: state.dead | (1 << actor),
      parent: state,
      actor,
      operation: undefined,
      result: 0,
    }
  }

  /** One object for each content that memory has had. */
  #shared(words: Int32Array): Memory {
    const key = Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('latin1')
    let memory = this.#memories.get(key)
    if (memory === undefined) this.#memories.set(key, (memory = { words, id: this.#memories.size }))
    return memory
  }

  /** Runs an actor over its recorded results to the operation after them. */
  #replay(actor: number, results: readonly number[]): Node {
    let cold = new Map<number, number>()
    let next = 0
    let isSettingUp = true
    let pending: Operation | undefined
    const perform = (operation: Operation): number => {
      // Code that cleans up after an exception must not go on.
      if (pending !== undefined) throw suspended
      const { address, kind } = operation
      const isHot = !isSettingUp && (kind === 'step' || this.#hot.has(address))
      if (isHot) {
        if (next < results.length) return results[next++]
        pending = operation
        throw suspended
      }
      const before = cold.get(address) ?? 0
      const after = afterOperation(operation, before)
      if (!isSettingUp) this.#note(address, actor, after !== before)
      if (after !== before) cold.set(address, after)
      return before
    }
    const context: ActorContext = {
      index: actor,
      words: (base) => wordsOver(base, perform),
      start: () => {
        isSettingUp = false
        cold = new Map(this.#initial)
      },
      step: (name, step, isEnabled) =>
        perform({ kind: 'step', address: -1, value: 0, expected: 0, name, step, isEnabled }),
    }
    try {
      this.#scenario.actors[actor].run(context)
    } catch (error) {
      if (error !== suspended) throw error
    }
    return { operation: pending, id: pending === undefined ? 0 : this.#nextNode++, results, children: new Map() }
  }

  /** A cold word was touched. */
  #note(address: number, actor: number, isChange: boolean): void {
    const bit = 1 << actor
    const readers = (this.#readers.get(address) ?? 0) | bit
    this.#readers.set(address, readers)
    if (isChange) this.#writers.set(address, (this.#writers.get(address) ?? 0) | bit)
    const writers = this.#writers.get(address) ?? 0
    if (writers === 0 || (readers & (readers - 1)) === 0) return
    this.#hot.set(address, this.#hot.size)
    throw new NewHotWord()
  }

  #model(memory: Int32Array): ModelMemory {
    const indexOf = (address: number): number => {
      const index = this.#hot.get(address)
      if (index === undefined) throw new Error(`word ${address} is not hot`)
      return index
    }
    return {
      get: (address) => memory[indexOf(address)],
      set: (address, value) => {
        memory[indexOf(address)] = value
      },
    }
  }
}

interface Memory {
  readonly words: Int32Array
  readonly id: number
}

interface State {
  readonly memory: Memory
  readonly nodes: readonly Node[]
  /** Bit for each dead actor. */
  readonly dead: number
  /** How it was reached: whose operation with which result; no operation: by a death. */
  readonly parent: State | undefined
  readonly actor: number
  readonly operation: Operation | undefined
  readonly result: number
}

function keyOf({ memory, nodes, dead }: State): string {
  let key = `${memory.id},${dead}`
  // Where the dead were makes no difference any more.
  for (let i = 0; i < nodes.length; i++) key += (dead & (1 << i)) === 0 ? `,${nodes[i].id}` : ','
  return key
}

function scheduleOf(actors: readonly ActorDefinition[], state: State, last: string): string[] {
  const schedule = [last]
  for (let at = state; at.parent !== undefined; at = at.parent) {
    const { actor, operation, result } = at
    const what = operation === undefined ? 'dies' : `${nameOf(operation)} = ${result}`
    schedule.unshift(`${actors[actor].name}: ${what}`)
  }
  return schedule
}

const nameOf = ({ kind, address, value, name }: Operation): string =>
  kind === 'step' ? name : `${kind} ${address} ${kind === 'load' || kind === 'get' ? '' : value}`

/** A broken promise, thrown by the scenario's checks. */
export class Broken extends Error {}

function messageOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof Broken) return error.message
    throw error
  }
}

/** Tries every schedule of a scenario. */
export function explore(scenario: Scenario): Exploration {
  const initial = afterSetUp(scenario)
  let { hot } = scenario
  for (;;) {
    const explorer = new Explorer(scenario, initial, hot)
    try {
      const violation = explorer.explore()
      return {
        states: explorer.states,
        transitions: explorer.transitions,
        hotWords: explorer.hotWords.length,
        violation,
      }
    } catch (error) {
      if (!(error instanceof NewHotWord)) throw error
      hot = explorer.hotWords
    }
  }
}
