/** The page: one column of sections, two or three where there is room. */
import { BlockMapPanel } from './block-map-panel.tsx'
import { FilesPanel } from './files-panel.tsx'
import { HoldersPanel } from './holders-panel.tsx'
import { LostAndFoundPanel } from './lost-and-found-panel.tsx'
import { RaceLabPanel } from './race-lab-panel.tsx'
import { SpaceChartPanel } from './space-chart-panel.tsx'
import { facts, isLive, mayChange, problem, state } from './store.ts'
import { bytes, counted, whole } from './words.ts'

export const App = () => (
  <>
    <a class="skip" href="#map">
      Skip to the map
    </a>
    <header>
      <h1>Holdfast</h1>
      <span class="pool">{facts.value?.name ?? '…'}</span>
      <span class="quiet">
        {facts.value === undefined ? '' : `${bytes(facts.value.sizeBytes)}, ${whole(facts.value.blocks)} blocks`}
      </span>
      <span class="quiet">{facts.value === undefined ? '' : `busy policy: ${facts.value.policies.busy}`}</span>
      <span class="spring" />
      <span class="quiet">{mayChange.value ? 'changes allowed' : 'read only'}</span>
      <span class={isLive.value ? 'live on' : 'live'} role="status">
        {isLive.value ? 'live' : 'not connected'}
      </span>
    </header>
    <main>
      {problem.value === '' ? null : (
        <p class="problem" role="alert">
          {problem.value}{' '}
          <button type="button" onClick={() => (problem.value = '')}>
            Dismiss
          </button>
        </p>
      )}
      <Figures />
      <BlockMapPanel />
      <div class="columns">
        <div>
          <HoldersPanel />
          <LostAndFoundPanel />
          <SpaceChartPanel />
        </div>
        <div class="wide">
          <RaceLabPanel />
          <FilesPanel />
        </div>
      </div>
    </main>
  </>
)

function Figures() {
  const stats = state.value?.stats ?? facts.value?.stats
  if (stats === undefined) return null
  const figures: [string, string, string, string?][] = [
    ['In files', bytes(stats.usedBytes), counted(stats.files, 'file'), 'file'],
    ['Available', bytes(stats.availableBytes), `${bytes(stats.freeBytes)} free now`, 'free'],
    ['Pinned', bytes(stats.pinnedBytes), counted(stats.pins, 'pin'), 'pinned'],
    ['Busy', bytes(stats.busyBytes), 'left a file, not fit for reuse', 'busy'],
    ['Sequestered', bytes(stats.sequesteredBytes), `${bytes(stats.sequesteredHeldBytes)} still held`, 'sequestered'],
    ['Participants', whole(stats.participants), 'processes and threads'],
  ]
  return (
    <dl class="figures" aria-label="The pool in numbers">
      {figures.map(([name, value, more, use]) => (
        <div key={name}>
          <dt>
            {use === undefined ? null : <i class={`swatch ${use}`} />} {name}
          </dt>
          <dd>
            <b>{value}</b> <small>{more}</small>
          </dd>
        </div>
      ))}
    </dl>
  )
}
