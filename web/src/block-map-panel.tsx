/**
 * The map: a canvas of cells, each filled from below by what its blocks are used for; pins are a bar at its left. One cell is the
 * current one, which the keys move, and whose content is said in words below.
 */
import { signal, useComputed } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { BlockMap, Use } from '../../src/http/api/block-map.ts'
import { cells, facts, map, refreshMap, view } from './store.ts'
import { bytes, whole } from './words.ts'

const LEGEND: readonly [Use, string][] = [
  ['free', 'free'],
  ['file', 'in a file'],
  ['sequestered', 'sequestered'],
  ['busy', 'busy'],
  ['pinned', 'pinned'],
  ['stable', 'pinned stably'],
]
const FILLS = ['file', 'sequestered', 'busy'] as const
const CELL = 14
const HEIGHT = 224
const LARGEST_CELL = 32

const current = signal(0)
/** Drawn anew when it changes. */
const scheme = signal(0)

/** Edge of a cell in px, and cells in a row. */
interface Grid {
  readonly size: number
  readonly columns: number
}

function gridOf(width: number, count: number): Grid {
  const size = Math.max(CELL, Math.min(LARGEST_CELL, Math.floor(Math.sqrt((width * HEIGHT) / Math.max(1, count)))))
  return { size, columns: Math.max(1, Math.floor(width / size)) }
}

function zoomTo(from: number, to: number): void {
  const blocks = facts.value?.blocks ?? 0
  const length = Math.min(blocks, Math.max(16, to - from))
  const start = Math.max(0, Math.min(blocks - length, Math.round(from)))
  view.value = { from: start, to: start + Math.round(length) }
  void refreshMap()
}

/** By a factor, so that block `at` stays where it is, and all of its cell in view: what is in it may be at its beginning. */
function zoomBy(factor: number, at?: number): void {
  const shown = map.value
  if (shown === undefined) return
  const { cellBlocks } = shown
  const middle = at ?? shown.from + (current.value + 0.5) * cellBlocks
  const cellStart = shown.from + Math.floor((middle - shown.from) / cellBlocks) * cellBlocks
  const length = (shown.to - shown.from) * factor
  const from = Math.min(cellStart, middle - (middle - shown.from) * factor)
  const start = Math.max(from, cellStart + cellBlocks - length)
  zoomTo(start, start + length)
}

function moveBy(part: number): void {
  const shown = map.value
  if (shown === undefined) return
  const by = (shown.to - shown.from) * part
  zoomTo(shown.from + by, shown.to + by)
}

const showAll = (): void => zoomTo(0, facts.value?.blocks ?? 0)

export function BlockMapPanel() {
  const canvas = useRef<HTMLCanvasElement>(null)
  const grid = useRef<Grid>({ size: CELL, columns: 1 })

  useEffect(() => {
    const element = canvas.current!
    const fit = (): void => {
      cells.value = Math.floor(element.clientWidth / CELL) * Math.floor(HEIGHT / CELL)
      void refreshMap()
    }
    const observer = new ResizeObserver(fit)
    observer.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const redraw = (): void => void scheme.value++
    dark.addEventListener('change', redraw)
    const onWheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && document.activeElement !== element) return
      event.preventDefault()
      zoomBy(event.deltaY > 0 ? 1.5 : 1 / 1.5, blockAt(event))
    }
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', redraw)
      element.removeEventListener('wheel', onWheel)
    }
  }, [])

  const shown = map.value
  const marked = current.value
  const drawn = scheme.value
  useEffect(() => {
    if (shown !== undefined) grid.current = draw(canvas.current!, shown, marked)
  }, [shown, marked, drawn])

  const cellAt = (event: MouseEvent): number => {
    const { left, top } = canvas.current!.getBoundingClientRect()
    const { size, columns } = grid.current
    const column = Math.min(columns - 1, Math.floor((event.clientX - left) / size))
    return Math.floor((event.clientY - top) / size) * columns + column
  }
  const blockAt = (event: MouseEvent): number =>
    (map.value?.from ?? 0) + (cellAt(event) + 0.5) * (map.value?.cellBlocks ?? 1)
  const mark = (cell: number): void => {
    const count = map.value?.counts.free.length ?? 0
    current.value = Math.max(0, Math.min(count - 1, cell))
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const { columns } = grid.current
    const keys: Record<string, () => void> = {
      ArrowRight: () => mark(marked + 1),
      ArrowLeft: () => mark(marked - 1),
      ArrowDown: () => mark(marked + columns),
      ArrowUp: () => mark(marked - columns),
      '+': () => zoomBy(0.5),
      '=': () => zoomBy(0.5),
      '-': () => zoomBy(2),
      PageDown: () => moveBy(0.5),
      PageUp: () => moveBy(-0.5),
      Home: showAll,
      Enter: () => zoomBy(0.25),
    }
    const action = keys[event.key]
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    action()
  }
  const words = useComputed(() => (map.value === undefined ? '' : wordsOf(map.value, current.value)))

  return (
    <section id="map" aria-labelledby="map-title">
      <div class="bar">
        <h2 id="map-title">Blocks</h2>
        <span class="quiet">
          {shown === undefined
            ? ''
            : `${whole(shown.from)}–${whole(shown.to - 1)}, ${whole(shown.cellBlocks)} (${bytes(shown.cellBlocks * 4096)}) a cell`}
        </span>
        <span class="spring" />
        <span class="buttons" role="group" aria-label="Zoom">
          <button type="button" aria-label="Earlier blocks" onClick={() => moveBy(-0.5)}>
            ←
          </button>
          <button type="button" aria-label="Later blocks" onClick={() => moveBy(0.5)}>
            →
          </button>
          <button type="button" aria-label="Zoom out" onClick={() => zoomBy(2)}>
            −
          </button>
          <button type="button" aria-label="Zoom in" onClick={() => zoomBy(0.5)}>
            +
          </button>
          <button type="button" onClick={showAll}>
            All
          </button>
        </span>
      </div>
      <canvas
        ref={canvas}
        class="map"
        tabIndex={0}
        role="application"
        aria-label="Map of the pool's blocks. Arrows move, plus and minus zoom, Home shows all."
        aria-describedby="map-words"
        onKeyDown={onKeyDown}
        onMouseMove={(event) => mark(cellAt(event))}
        onDblClick={(event) => zoomBy(0.25, blockAt(event))}
      />
      <p id="map-words" class="words" aria-live="polite">
        {words}
      </p>
      <ul class="legend" aria-label="Legend">
        {LEGEND.map(([use, name]) => (
          <li key={use}>
            <i class={`swatch ${use}`} /> {name}
          </li>
        ))}
      </ul>
      <MapTable />
    </section>
  )
}

/** The same in words: what lies where when that is known, else the sums. */
function MapTable() {
  const shown = map.value
  if (shown === undefined) return null
  const sum = (use: Use): number => shown.counts[use].reduce((total, count) => total + count, 0)
  return (
    <details>
      <summary>As a table</summary>
      <div class="scroll" tabIndex={0} role="group" aria-label="The map as a table">
        <table>
          <caption>Blocks in view</caption>
          <thead>
            <tr>
              {LEGEND.map(([use, name]) => (
                <th key={use} class="number">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr id="map-sums">
              {LEGEND.map(([use]) => (
                <td key={use} class="number">
                  {whole(sum(use))}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
        {shown.extents === undefined ? (
          <p class="quiet">Zoom in for a list of extents.</p>
        ) : (
          <table>
            <caption>Extents in view</caption>
            <thead>
              <tr>
                <th class="number">Block</th>
                <th class="number">Blocks</th>
                <th>State</th>
                <th>File</th>
                <th class="number">Offset</th>
              </tr>
            </thead>
            <tbody>
              {shown.extents.slice(0, 200).map(({ block, length, state, path, inode, offset }) => (
                <tr key={block}>
                  <td class="number">{whole(block)}</td>
                  <td class="number">{whole(length)}</td>
                  <td>{state}</td>
                  <td>{path ?? (inode === undefined ? '' : `inode ${inode}`)}</td>
                  <td class="number">{offset === undefined ? '' : bytes(offset)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </details>
  )
}

function wordsOf({ from, to, cellBlocks, counts, extents, pins }: BlockMap, cell: number): string {
  const start = from + cell * cellBlocks
  const end = Math.min(to, start + cellBlocks)
  if (cell >= counts.free.length) return ''
  const where = cellBlocks === 1 ? `Block ${whole(start)}` : `Blocks ${whole(start)}–${whole(end - 1)}`
  const uses = LEGEND.filter(([use]) => counts[use][cell] > 0).map(([use, name]) =>
    cellBlocks === 1 ? name : `${whole(counts[use][cell])} ${name}`,
  )
  const files = (extents ?? [])
    .filter(({ block, length, inode }) => inode !== undefined && block < end && start < block + length)
    .slice(0, 3)
    .map(
      ({ path, inode, offset = 0, block }) =>
        `${path ?? `inode ${inode}`} at ${bytes(offset + Math.max(0, start - block) * 4096)}`,
    )
  const holders = (pins ?? [])
    .filter(({ block, length }) => block < end && start < block + length)
    .slice(0, 3)
    .map(({ pid, mode, isStable }) => `pid ${pid} (${isStable ? 'stable ' : ''}${mode})`)
  return [
    `${where}: ${uses.join(', ')}`,
    ...(files.length > 0 ? [files.join(', ')] : []),
    ...(holders.length > 0 ? [`held by ${holders.join(', ')}`] : []),
  ].join(' · ')
}

function draw(canvas: HTMLCanvasElement, { counts }: BlockMap, marked: number): Grid {
  const width = canvas.clientWidth
  const count = counts.free.length
  const grid = gridOf(width, count)
  const { size, columns } = grid
  const height = Math.max(1, Math.ceil(count / columns)) * size
  const ratio = devicePixelRatio
  canvas.width = width * ratio
  canvas.height = height * ratio
  canvas.style.height = `${height}px`
  const context = canvas.getContext('2d')!
  context.scale(ratio, ratio)
  const style = getComputedStyle(canvas)
  const colour = (name: string): string => style.getPropertyValue(`--${name}`)
  const colours = Object.fromEntries([...LEGEND.map(([use]) => use), 'mark'].map((name) => [name, colour(name)]))
  const inner = size - 2
  for (let cell = 0; cell < count; cell++) {
    const x = (cell % columns) * size + 1
    const y = Math.floor(cell / columns) * size + 1
    const total = counts.free[cell] + FILLS.reduce((sum, use) => sum + counts[use][cell], 0)
    context.fillStyle = colours['free']
    context.fillRect(x, y, inner, inner)
    let bottom = y + inner
    for (const use of FILLS) {
      if (counts[use][cell] === 0) continue
      // A block among a million is seen.
      const part = Math.min(bottom - y, Math.max(2, (counts[use][cell] / total) * inner))
      context.fillStyle = colours[use]
      context.fillRect(x, bottom - part, inner, part)
      bottom -= part
    }
    const pinned = counts.stable[cell] > 0 ? 'stable' : counts.pinned[cell] > 0 ? 'pinned' : undefined
    if (pinned !== undefined) {
      context.fillStyle = colours[pinned]
      context.fillRect(x, y, Math.max(3, Math.round(inner / 3)), inner)
    }
    if (cell === marked) {
      context.strokeStyle = colours['mark']
      context.lineWidth = 2
      context.strokeRect(x, y, inner, inner)
    }
  }
  return grid
}
