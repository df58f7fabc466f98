/** Space over time, as the server has kept it, and on from there. */
import { signal, useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { history, state } from './store.ts'
import { bytes } from './words.ts'

const SERIES = [
  ['In files', 'file', 'usedBytes'],
  ['Pinned', 'pinned', 'pinnedBytes'],
  ['Busy', 'busy', 'busyBytes'],
  ['Sequestered', 'sequestered', 'sequesteredBytes'],
] as const
const HEIGHT = 200
const LEAST_SECONDS = 30
const MOST_LINES = 5
const MINUTE = 60
const DAY = 86_400
const SPANS: readonly (readonly [seconds: number, name: string])[] = [
  [10 * MINUTE, '10 minutes'],
  [60 * MINUTE, 'hour'],
  [DAY, 'day'],
  [30 * DAY, '30 days'],
]

const span = signal(10 * MINUTE)

/** The last of it; at least so much that a single point has an axis. */
function shownSeconds(): [number, number] {
  const [seconds] = history.peek()
  const end = seconds.at(-1) ?? Date.now() / 1000
  return [Math.min(end - LEAST_SECONDS, Math.max(seconds[0] ?? end, end - span.peek())), end]
}

/** Lines at powers of two, which bytes are counted in. */
function lines(most: number): number[] {
  const step = 2 ** Math.max(10, Math.ceil(Math.log2(most / MOST_LINES)))
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, nth) => nth * step)
}

/** `14:05`, with seconds or the date where these tell times apart. */
function timesOf(seconds: readonly number[]): string[] {
  const step = (seconds[1] ?? 0) - (seconds[0] ?? 0)
  const style: Intl.DateTimeFormatOptions =
    step >= DAY
      ? { month: 'short', day: 'numeric' }
      : { hour: '2-digit', minute: '2-digit', hour12: false, ...(step < MINUTE ? { second: '2-digit' } : {}) }
  const format = new Intl.DateTimeFormat('en-GB', style)
  return seconds.map((each) => format.format(each * 1000))
}

export function SpaceChartPanel() {
  const place = useRef<HTMLDivElement>(null)
  const scheme = useSignal(0)
  const chart = useRef<uPlot | undefined>(undefined)
  useEffect(() => {
    const element = place.current!
    const style = getComputedStyle(element)
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
    const axis = { stroke: colour('quiet'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } }
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        axes: [
          { ...axis, size: 28, space: 70, values: (_, seconds) => timesOf(seconds) },
          {
            ...axis,
            size: 70,
            splits: (_, _axis, _least, most) => lines(most),
            values: (_, values) => values.map(bytes),
          },
        ],
        scales: {
          x: { range: shownSeconds },
          y: { range: (_, _least, most) => [0, Math.max(4096, (most ?? 0) * 1.1)] },
        },
        series: [
          {},
          ...SERIES.map(([label, name]) => ({
            label,
            stroke: colour(name),
            ...(name === 'file' ? { fill: `${colour(name)}22` } : {}),
            width: 2,
            points: { show: false },
            paths: uPlot.paths.stepped!({ align: 1 }),
          })),
        ],
      },
      history.peek(),
      element,
    )
    chart.current = plot
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const redraw = (): void => void scheme.value++
    dark.addEventListener('change', redraw)
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', redraw)
      plot.destroy()
    }
  }, [scheme.value])
  useSignalEffect(() => {
    void span.value
    chart.current?.setData(history.value)
  })
  const stats = state.value?.stats
  return (
    <section aria-labelledby="chart-title">
      <div class="bar">
        <h2 id="chart-title">Space over time</h2>
        <span class="spring" />
        <label class="quiet">
          The last{' '}
          <select
            aria-label="How much of the past is shown"
            value={span.value}
            onChange={({ currentTarget }) => (span.value = Number(currentTarget.value))}
          >
            {SPANS.map(([seconds, name]) => (
              <option key={seconds} value={seconds}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div ref={place} class="chart" role="img" aria-label="Bytes in files, pinned, busy and sequestered over time" />
      <ul class="legend">
        {SERIES.map(([label, name, value]) => (
          <li key={name}>
            <i class={`swatch ${name}`} /> {label} {stats === undefined ? '' : <b>{bytes(stats[value])}</b>}
          </li>
        ))}
      </ul>
      <p class="quiet">The server keeps 30 days, from when it was started; of older times the peaks.</p>
    </section>
  )
}
