/** Space over time, since the page was opened. */
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { history, state } from './store.ts'
import { bytes } from './words.ts'

const SERIES = [
  ['In files', 'file'],
  ['Pinned', 'pinned'],
  ['Busy', 'busy'],
  ['Sequestered', 'sequestered'],
] as const
const HEIGHT = 180
const LEAST_SECONDS = 30
/** Bytes between two lines of the grid. */
const POWERS = Array.from({ length: 40 }, (_, nth) => 2 ** (10 + nth))

/** So that a single point has an axis: of one, uPlot takes it that it lasts some years. */
function lastSeconds(): [number, number] {
  const [times] = history.peek()
  const end = times.at(-1) ?? Date.now() / 1000
  return [Math.min(times[0] ?? end, end - LEAST_SECONDS), end]
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
        axes: [axis, { ...axis, size: 70, incrs: POWERS, values: (_, values) => values.map(bytes) }],
        scales: {
          x: { range: lastSeconds },
          y: { range: (_, _least, most) => [0, Math.max(4096, most * 1.1)] },
        },
        series: [
          {},
          ...SERIES.map(([label, name]) => ({
            label,
            stroke: colour(name),
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
  useSignalEffect(() => chart.current?.setData(history.value))
  const stats = state.value?.stats
  return (
    <section aria-labelledby="chart-title">
      <h2 id="chart-title">Space over time</h2>
      <div ref={place} class="chart" role="img" aria-label="Bytes in files, pinned, busy and sequestered over time" />
      <ul class="legend">
        {SERIES.map(([label, name]) => (
          <li key={name}>
            <i class={`swatch ${name}`} /> {label}
          </li>
        ))}
      </ul>
      <p class="quiet">
        {stats === undefined
          ? ''
          : `Now ${bytes(stats.usedBytes)} in files. The line begins when this page was opened.`}
      </p>
    </section>
  )
}
