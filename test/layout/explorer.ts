/**
 * An explorer of interleavings. Actors run the real, synchronous code of the layout over `Words` that stop before every
 * operation on memory somebody else uses too. All schedules are tried, including an actor's death before any operation;
 * states seen before are not entered again.
 *
 * How. An actor is a function. To learn its next operations it is run from its start, its earlier operations answered from
 * a record of their results, and those that have no answer yet as if it were alone from there on; at a step of the model it is
 * abandoned by an exception. What it does next depends on those results only, so actors are trees: a node is an operation, its
 * children are results. A state is the shared memory and a node for each actor.
 *
 * Memory that only one actor ever touches, or nobody ever changes, is cold: its operations commute with everything others
 * do, so no schedule is lost by running them at once. What is cold is found out while exploring: the first time a second
 * actor comes across it, it is hot from then on and the exploration starts again.
 *
 * Hot memory, too, has operations that commute with all that the others may still do, and then they are done at once, and
 * nothing else from that state on:
 *   a load of a word that nobody else may still write;
 *   a store of a word that nobody else may still read or write, unless the scenario looks at it.
 * No state that the checks could tell from the others is lost (a partial order reduction: an ample set of one operation,
 * which is independent of all others to come and invisible; actors are trees, so nobody is put off for ever). What an actor
 * may still touch is what it has been seen to touch, in any schedule, after as many changes of memory of its own as it has
 * made now. That is learnt on the way: when somebody touches a word later than was relied upon, all is gone through again.
 *
 * Deaths are tried before what changes memory, and not before loads: to die before a load or after it is the same.
 *
 * What an operation makes of a memory is worked out once, whatever the others do at that time. A state is a row of numbers:
 * its memory, a node for each actor; to be dead and to be done is the same.
 */
import type { Words } from '../../src/layout/words.ts'
import { IntTable } from './int-table.ts'

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
  /** Addresses that the scenario looks at: always hot. */
  readonly hot: readonly number[]
  /** Words that are not 0 before the actors set up. */
  readonly initial: ReadonlyMap<number, number>
  /** What an actor's death changes, at once: locks fall. */
  readonly onDeath?: (memory: ModelMemory, actor: number) => void
  /** Sees each operation with the memory after it; may note things in model words. Throws when a promise is broken. */
  readonly onOperation?: (memory: ModelMemory, actor: number, kind: string, address: number, value: number) => void
  /** Looks at each new memory, at words of `hot` only. Throws when a promise is broken. */
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

class Suspended extends Error {}
/** What was taken for cold is not. */
class NewHotWord extends Error {}
/** One will do: a stack for each would be most of the work. */
const suspended = new Suspended()

interface Node {
  /** Undefined: the actor has nothing left to do. */
  readonly operation: Operation | undefined
  readonly id: number
  /** The node before, and the result of its operation that leads here. */
  readonly parent: Node | undefined
  readonly result: number
  /** Changes of memory that the actor has made. */
  readonly phase: number
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
    // What it returns nobody in the layout decides by: it would only tell states apart. (The arrival of a break orders a
    // queue, which nothing rests upon.)
    add: (index, delta) => (operation('add', index, delta), NaN),
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

const TO_THE_END = 0x7fff_fffe
/** Of who has nothing left to do. */
const OVER = 0x7fff_ffff
const NEVER = -1

/**
 * Until when each actor reads and writes each hot word, counted in changes of memory that the actor has made. The model, whose
 * steps are everybody's, is one more actor, and touches what it touches to the end.
 */
class Footprints {
  readonly #actors: number
  readonly #lastReads = new Map<number, Int32Array>()
  readonly #lastWrites = new Map<number, Int32Array>()
  /** What was relied upon. */
  readonly #reliedOn = new Set<number>()
  /** Somebody has read or written a word of whom that was not known, and it had been relied upon. */
  isRefuted = false

  constructor(actors: number) {
    this.#actors = actors
  }

  /** Nothing is relied upon yet. */
  begin(): void {
    this.#reliedOn.clear()
    this.isRefuted = false
  }

  note(address: number, actor: number, phase: number, isWrite: boolean): void {
    const all = isWrite ? this.#lastWrites : this.#lastReads
    let last = all.get(address)
    if (last === undefined) all.set(address, (last = new Int32Array(this.#actors + 1).fill(NEVER)))
    if (last[actor] >= phase) return
    last[actor] = phase
    if (this.#reliedOn.has(address)) this.isRefuted = true
  }

  noteModel(address: number, isWrite: boolean): void {
    this.note(address, this.#actors, TO_THE_END, isWrite)
  }

  /** Whether nobody but the actor may still write, or with `alsoRead` touch, the word. `phases`: where all are. */
  isLeftTo(actor: number, phases: Int32Array, address: number, alsoRead: boolean): boolean {
    const writes = this.#lastWrites.get(address)
    const reads = alsoRead ? this.#lastReads.get(address) : undefined
    for (let other = 0; other <= this.#actors; other++) {
      if (other === actor) continue
      if (writes !== undefined && writes[other] >= phases[other]) return false
      if (reads !== undefined && reads[other] >= phases[other]) return false
    }
    this.#reliedOn.add(address)
    return true
  }
}

function resultsUpTo(node: Node, result: number): number[] {
  const results = [result]
  for (let at = node; at.parent !== undefined; at = at.parent) results.push(at.result)
  return results.reverse()
}

const isLoad = (kind: Operation['kind']): boolean => kind === 'load' || kind === 'get'

/** Of a transition that has to wait. */
const WAITS = -1

class Explorer {
  readonly #scenario: Scenario
  /** After everybody's set-up. */
  readonly #initial: ReadonlyMap<number, number>
  readonly #hot: Map<number, number>
  readonly #watched: ReadonlySet<number>
  readonly #footprints: Footprints
  readonly #readers = new Map<number, number>()
  readonly #writers = new Map<number, number>()
  readonly #memories: Int32Array[] = []
  readonly #memoryNumbers = new Map<string, number>()
  readonly #nodes: Node[][]
  readonly #roots: Node[] = []
  /** Memory, a node for each actor | the state before, what was done: an actor, or its death. */
  #states: IntTable
  /** Memory, node, actor | memory, node afterwards. */
  readonly #turns = new IntTable(5, 3)
  /** Memory after an actor's death, or what it breaks. */
  readonly #deaths = new Map<number, number | string>()
  readonly #row: Int32Array
  readonly #turnRow = new Int32Array(5)
  /** Of the state at hand: how far each actor is; of the model: the beginning. */
  readonly #phases: Int32Array
  transitions = 0

  constructor(scenario: Scenario, initial: ReadonlyMap<number, number>, hot: readonly number[]) {
    this.#scenario = scenario
    this.#initial = initial
    this.#watched = new Set(scenario.hot)
    this.#hot = new Map([...new Set(hot)].map((address, index) => [address, index]))
    const count = scenario.actors.length
    this.#footprints = new Footprints(count)
    this.#phases = new Int32Array(count + 1)
    this.#states = new IntTable(3 + count, 1 + count)
    this.#row = new Int32Array(3 + count)
    this.#nodes = scenario.actors.map(() => [])
  }

  get hotWords(): number[] {
    return [...this.#hot.keys()]
  }

  get states(): number {
    return this.#states.rows
  }

  explore(): Exploration['violation'] {
    for (;;) {
      const violation = this.#pass()
      if (violation !== undefined || !this.#footprints.isRefuted) return violation
      // What actors do, and what memories there are, stays as it is.
      this.#states = new IntTable(3 + this.#scenario.actors.length, 1 + this.#scenario.actors.length)
      this.#footprints.begin()
      this.transitions = 0
    }
  }

  /**
   * Goes through all states. When it turns out that some were left out it goes on for as long again, to learn more such; all
   * that it comes to are states that there are.
   */
  #pass(): Exploration['violation'] {
    const { actors } = this.#scenario
    const words = new Int32Array(this.#hot.size)
    for (const [address, index] of this.#hot) words[index] = this.#initial.get(address) ?? 0
    const row = this.#row
    row[0] = this.#numberOf(words)
    for (const actor of actors.keys())
      row[1 + actor] = (this.#roots[actor] ??= this.#replay(actor, undefined, 0, words)).id
    row[1 + actors.length] = -1
    const broken = this.#settle()
    if (broken !== undefined) return { message: broken, schedule: [] }
    this.#states.add(row)
    const stack = [0]
    let mostStates = Infinity
    for (let state = stack.pop(); state !== undefined && this.states < mostStates; state = stack.pop()) {
      if (this.#footprints.isRefuted) mostStates = Math.min(mostStates, 2 * this.states + 100)
      const memory = this.#states.get(state, 0)
      let isStuck = true
      let isUnfinished = false
      for (let actor = 0; actor < actors.length; actor++) {
        const { operation, id } = this.#nodeOf(state, actor)
        if (operation === undefined) continue
        isUnfinished = true
        const turn = this.#turn(memory, id, actor)
        if (typeof turn === 'string') return { message: turn, schedule: this.#scheduleOf(state, actor, false) }
        if (turn !== WAITS) {
          isStuck = false
          const broke = this.#push(stack, state, actor, this.#turns.get(turn, 3), this.#turns.get(turn, 4), false)
          if (broke !== undefined) return { message: broke, schedule: this.#scheduleOf(state, actor, false) }
        }
        if (actors[actor].isMortal !== true || isLoad(operation.kind)) continue
        const after = this.#afterDeath(memory, actor)
        if (typeof after === 'string') return { message: after, schedule: this.#scheduleOf(state, actor, true) }
        const broke = this.#push(stack, state, actor, after, DONE, true)
        if (broke !== undefined) return { message: broke, schedule: this.#scheduleOf(state, actor, true) }
      }
      if (isUnfinished && isStuck)
        return { message: 'everybody waits for ever', schedule: this.#scheduleOf(state, -1, false) }
      if (!isUnfinished) {
        const message = messageOf(() => this.#scenario.checkEnd?.(this.#model(this.#memories[memory])))
        if (message !== undefined) return { message, schedule: this.#scheduleOf(state, -1, false) }
      }
    }
    return undefined
  }

  #nodeOf(state: number, actor: number): Node {
    return this.#nodes[actor][this.#states.get(state, 1 + actor)]
  }

  /** The state after an actor came to `node`, or died, when it is a new one; what is broken on the way there. */
  #push(
    stack: number[],
    from: number,
    actor: number,
    memory: number,
    node: number,
    isDeath: boolean,
  ): string | undefined {
    const count = this.#scenario.actors.length
    const row = this.#row
    row[0] = memory
    for (let other = 0; other < count; other++) row[1 + other] = this.#states.get(from, 1 + other)
    row[1 + actor] = node
    row[1 + count] = from
    row[2 + count] = isDeath ? actor + count : actor
    this.transitions++
    const broken = this.#settle()
    if (broken !== undefined) return broken
    const state = this.#states.add(row)
    if (state >= 0) stack.push(state)
    return undefined
  }

  /** Does in #row what commutes with all that may come, until nothing does; tells `told` of each. What is broken by it. */
  #settle(told?: (actor: number, node: Node, at: number) => void): string | undefined {
    const count = this.#scenario.actors.length
    const row = this.#row
    const phases = this.#phases
    for (let actor = 0; actor < count; actor++) phases[actor] = this.#nodes[actor][row[1 + actor]].phase
    for (let isSettled = false; !isSettled;) {
      isSettled = true
      for (let actor = 0; actor < count; actor++) {
        for (let node = this.#nodes[actor][row[1 + actor]]; this.#isQuiet(node.operation, actor);) {
          const turn = this.#turn(row[0], node.id, actor)
          if (typeof turn === 'string') return turn
          row[0] = this.#turns.get(turn, 3)
          row[1 + actor] = this.#turns.get(turn, 4)
          const next = this.#nodes[actor][row[1 + actor]]
          told?.(actor, node, next.id)
          node = next
          phases[actor] = node.phase
          isSettled = false
        }
      }
    }
    return undefined
  }

  /** Whether an operation commutes with all that others may still do, and nobody looks at it. */
  #isQuiet(operation: Operation | undefined, actor: number): boolean {
    if (operation === undefined || operation.kind === 'step') return false
    const { kind, address } = operation
    if ((kind === 'get' || kind === 'set') && this.#scenario.isQuiet?.(address) === true) return true
    if (isLoad(kind)) return this.#footprints.isLeftTo(actor, this.#phases, address, false)
    return !this.#watched.has(address) && this.#footprints.isLeftTo(actor, this.#phases, address, true)
  }

  /** An actor's operation: a row of #turns, WAITS, or what it breaks. */
  #turn(memory: number, node: number, actor: number): number | string {
    const row = this.#turnRow
    row[0] = memory
    row[1] = node
    row[2] = actor
    const known = this.#turns.find(row)
    if (known >= 0) return this.#turns.get(known, 3) === WAITS ? WAITS : known
    const at = this.#performed(memory, this.#nodes[actor][node], actor)
    if (typeof at === 'string') return at
    row[3] = at?.memory ?? WAITS
    row[4] = at?.node.id ?? 0
    const added = this.#turns.add(row)
    return at === undefined ? WAITS : added
  }

  /** What becomes of a memory and a node by the node's operation; undefined when it has to wait; a message when that broke a promise. */
  #performed(memory: number, node: Node, actor: number): Place | string | undefined {
    const operation = node.operation!
    const { kind, address, value } = operation
    const before = this.#memories[memory]
    let words = before
    let after = memory
    let result = 0
    if (isLoad(kind)) {
      this.#footprints.note(address, actor, node.phase, false)
      result = before[this.#hot.get(address)!]
    } else {
      words = before.slice()
      const model = this.#model(words)
      if (operation.isEnabled !== undefined && !operation.isEnabled(this.#model(before))) return undefined
      if (kind === 'step') {
        result = operation.step!(model)
      } else {
        const index = this.#hot.get(address)!
        this.#footprints.note(address, actor, node.phase, true)
        if (kind === 'swap') result = words[index]
        words[index] = afterOperation(operation, words[index])
      }
      const broken = messageOf(() => {
        this.#scenario.onOperation?.(model, actor, kind, address, value)
        this.#scenario.check(model)
      })
      if (broken !== undefined) return broken
      after = this.#numberOf(words)
    }
    return { memory: after, node: node.children.get(result) ?? this.#replay(actor, node, result, words) }
  }

  #afterDeath(memory: number, actor: number): number | string {
    const key = memory * this.#scenario.actors.length + actor
    let after = this.#deaths.get(key)
    if (after === undefined) this.#deaths.set(key, (after = this.#death(memory, actor)))
    return after
  }

  #death(memory: number, actor: number): number | string {
    const words = this.#memories[memory].slice()
    const model = this.#model(words)
    const broken = messageOf(() => {
      this.#scenario.onDeath?.(model, actor)
      this.#scenario.check(model)
    })
    return broken ?? this.#numberOf(words)
  }

  /** One number for each content that memory has had. */
  #numberOf(words: Int32Array): number {
    const key = Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('latin1')
    let number = this.#memoryNumbers.get(key)
    if (number === undefined) {
      number = this.#memories.push(words) - 1
      this.#memoryNumbers.set(key, number)
    }
    return number
  }

  /**
   * What an actor does after the operation of `from` had this result, which left these words: runs it over its recorded
   * results, and on from there by itself, to the next step of the model, since one run costs the same for one node and for many.
   */
  #replay(actor: number, from: Node | undefined, result: number, words: Int32Array): Node {
    const results = from === undefined ? [] : resultsUpTo(from, result)
    let cold = new Map<number, number>()
    // What is not in `cold`.
    let otherwise: ReadonlyMap<number, number> | undefined
    let next = 0
    let phase = 0
    let isSettingUp = true
    let isOver = false
    let first: Node | undefined
    let last = from
    let memory = words
    const found = (operation: Operation | undefined): Node => {
      const node = this.#nodeFor(actor, operation, last, result, phase)
      last?.children.set(result, node)
      first ??= node
      return (last = node)
    }
    const perform = (operation: Operation): number => {
      // Code that cleans up after an exception must not go on.
      if (isOver) throw suspended
      const { address, kind } = operation
      if (!isSettingUp && (kind === 'step' || this.#hot.has(address))) {
        const isRecorded = next < results.length
        if (isRecorded) result = results[next++]
        else {
          found(operation)
          isOver = kind === 'step'
          if (isOver) throw suspended
          const index = this.#hot.get(address)!
          this.#footprints.note(address, actor, phase, !isLoad(kind))
          result = isLoad(kind) || kind === 'swap' ? memory[index] : 0
          if (!isLoad(kind)) {
            if (memory === words) memory = words.slice()
            memory[index] = afterOperation(operation, memory[index])
          }
        }
        if (!isLoad(kind)) phase++
        return result
      }
      const before = cold.get(address) ?? otherwise?.get(address) ?? 0
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
        cold = new Map()
        otherwise = this.#initial
      },
      step: (name, step, isEnabled) =>
        perform({ kind: 'step', address: -1, value: 0, expected: 0, name, step, isEnabled }),
    }
    try {
      this.#scenario.actors[actor].run(context)
    } catch (error) {
      if (error !== suspended) throw error
    }
    if (!isOver) found(undefined)
    return first!
  }

  #nodeFor(
    actor: number,
    operation: Operation | undefined,
    parent: Node | undefined,
    result: number,
    phase: number,
  ): Node {
    const nodes = this.#nodes[actor]
    // All ends are one: nothing comes any more.
    if (nodes.length === DONE)
      nodes.push({ operation: undefined, id: DONE, parent: undefined, result: 0, phase: OVER, children: new Map() })
    if (operation === undefined) return nodes[DONE]
    const node: Node = { operation, id: nodes.length, parent, result, phase, children: new Map() }
    nodes.push(node)
    return node
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
      get: (address) => {
        this.#footprints.noteModel(address, false)
        return memory[indexOf(address)]
      },
      set: (address, value) => {
        this.#footprints.noteModel(address, true)
        memory[indexOf(address)] = value
      },
    }
  }

  /** How a state was reached, and what an actor did, or that it died, then. */
  #scheduleOf(state: number, last: number, isDeath: boolean): string[] {
    const { actors } = this.#scenario
    const count = actors.length
    const moves: { state: number; actor: number; isDeath: boolean }[] = []
    if (last >= 0) moves.push({ state, actor: last, isDeath })
    for (let at = state, from = this.#states.get(at, 1 + count); from >= 0; from = this.#states.get(at, 1 + count)) {
      const move = this.#states.get(at, 2 + count)
      moves.unshift({ state: from, actor: move % count, isDeath: move >= count })
      at = from
    }
    const schedule: string[] = []
    const tell = (actor: number, node: Node, to: number): void => {
      const result = [...node.children].find(([, child]) => child.id === to)?.[0]
      schedule.push(`${actors[actor].name}: ${nameOf(node.operation!)} = ${result}`)
    }
    for (const move of moves) {
      const row = this.#row
      for (let column = 0; column <= count; column++) row[column] = this.#states.get(move.state, column)
      const node = this.#nodeOf(move.state, move.actor)
      if (move.isDeath) {
        schedule.push(`${actors[move.actor].name}: dies`)
        row[0] = this.#afterDeath(row[0], move.actor) as number
        row[1 + move.actor] = DONE
      } else {
        const turn = this.#turn(row[0], node.id, move.actor)
        if (typeof turn === 'string') {
          schedule.push(`${actors[move.actor].name}: ${nameOf(node.operation!)}`)
          break
        }
        row[0] = this.#turns.get(turn, 3)
        row[1 + move.actor] = this.#turns.get(turn, 4)
        tell(move.actor, node, row[1 + move.actor])
      }
      this.#settle(tell)
    }
    return schedule
  }
}

/** The node of who has nothing left to do, or is dead. */
const DONE = 0

/** Where an actor is, and what the memory is. */
interface Place {
  readonly memory: number
  readonly node: Node
}

const nameOf = ({ kind, address, value, name }: Operation): string =>
  kind === 'step' ? name : `${kind} ${address} ${isLoad(kind) ? '' : value}`

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
