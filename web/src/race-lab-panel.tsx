/** The race lab: I/O on pinned blocks against a change that takes them away, watched block by block. */
import { signal } from '@preact/signals'
import type { Check, LabEvent, LabView } from '../../src/http/lab/lab-events.ts'
import { ask, events } from './api.ts'
import { mayChange, told } from './store.ts'
import { bytes, counted } from './words.ts'

/** Not a policy: pins that are copies. */
const BOUNCE = 'bounce'
const order = signal({ io: 'slow-client', change: 'truncate', busy: 'sequester' })
const isRunning = signal(false)
const steps = signal<readonly { atMs: number; text: string }[]>([])
const shown = signal<LabView | undefined>(undefined)
const verdict = signal<{ isRight: boolean; checks: readonly Check[] } | undefined>(undefined)

async function run(): Promise<void> {
  steps.value = []
  verdict.value = undefined
  shown.value = undefined
  isRunning.value = true
  try {
    const { busy, ...rest } = order.value
    const how = busy === BOUNCE ? { busy: 'sequester', dax: 'never' } : { busy }
    const { id } = await ask<{ id: string }>('lab', 'POST', { ...rest, ...how })
    const source = events(`lab/${id}/events`)
    const take = ({ data }: MessageEvent): void => {
      const event = JSON.parse(data as string) as LabEvent
      if (event.kind === 'step') steps.value = [...steps.value, event]
      if (event.kind === 'step' || event.kind === 'sample') shown.value = event.view
      if (event.kind === 'verdict') verdict.value = event
      if (event.kind === 'failure') told(new Error(event.error.message))
      if (event.kind !== 'end') return
      source.close()
      isRunning.value = false
    }
    for (const kind of ['step', 'sample', 'verdict', 'failure', 'end']) source.addEventListener(kind, take)
    source.addEventListener('error', () => {
      source.close()
      isRunning.value = false
    })
  } catch (error) {
    told(error)
    isRunning.value = false
  }
}

export function RaceLabPanel() {
  return (
    <section aria-labelledby="lab-title">
      <h2 id="lab-title">Race lab</h2>
      {mayChange.value ? (
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault()
            void run()
          }}
        >
          <Choice label="I/O" name="io" choices={{ 'slow-client': 'slow client', 'direct-read': 'O_DIRECT read' }} />
          <Choice label="Change" name="change" choices={{ truncate: 'truncate', punch: 'punch', unlink: 'unlink' }} />
          <Choice
            label="Policy"
            name="busy"
            choices={{
              sequester: 'sequester',
              wait: 'wait',
              fail: 'fail',
              [BOUNCE]: 'copies (dax: never)',
            }}
          />
          <button type="submit" class="main" disabled={isRunning.value}>
            {isRunning.value ? 'Running…' : 'Start the race'}
          </button>
        </form>
      ) : (
        <p class="empty" id="lab-locked">
          The lab makes a file of its own in the pool. Start the server with --write and open the address that it
          prints, which has the token.
        </p>
      )}
      {shown.value === undefined ? (
        <p class="empty">
          I/O runs on the blocks of a file of 1 MiB. Half-way somebody takes these blocks out of the file, and a new
          file takes what is free. Who gets hurt? The verdict is by hash.
        </p>
      ) : (
        <Watching view={shown.value} />
      )}
      <ol class="steps" aria-label="Steps">
        {steps.value.map(({ atMs, text }, step) => (
          <li key={step}>
            <span class="number">{atMs} ms</span> {text}
          </li>
        ))}
      </ol>
      <div role="status">{verdict.value === undefined ? null : <Verdict {...verdict.value} />}</div>
    </section>
  )
}

interface ChoiceProps {
  readonly label: string
  readonly name: keyof typeof order.value
  readonly choices: Readonly<Record<string, string>>
}

const Choice = ({ label, name, choices }: ChoiceProps) => (
  <label>
    {label}
    <select
      name={name}
      value={order.value[name]}
      onChange={({ currentTarget }) => (order.value = { ...order.value, [name]: currentTarget.value })}
    >
      {Object.entries(choices).map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  </label>
)

function Watching({ view }: { readonly view: LabView }) {
  const blocks = view.blocks.map(({ count, state, isPinned }) => `${count} ${state}${isPinned ? ', pinned' : ''}`)
  return (
    <>
      <div class="strip" role="img" aria-label={`Blocks of the file: ${blocks.join('; ')}`}>
        {view.blocks.map(({ count, state, isPinned }, place) => (
          <span key={place} class={`run ${state}${isPinned ? ' held' : ''}`} style={{ flexGrow: count }} />
        ))}
      </div>
      <p class="quiet">
        {blocks.join(' · ')}
        <br />
        {counted(view.pins, 'pin')} · {bytes(view.movedBytes)} of {bytes(view.totalBytes)} moved ·{' '}
        {bytes(view.lostBytes)} in lost+found · change: {view.change}
      </p>
    </>
  )
}

const Verdict = ({ isRight, checks }: { readonly isRight: boolean; readonly checks: readonly Check[] }) => (
  <div class={isRight ? 'verdict right' : 'verdict wrong'}>
    <b>{isRight ? 'Verdict: all right' : 'Verdict: something is wrong'}</b>
    <ul>
      {checks.map(({ text, isRight: holds }) => (
        <li key={text}>
          {holds ? '✓' : '✗'} {text}
        </li>
      ))}
    </ul>
  </div>
)
