/** Who holds what: pins, leases, and layout changes that wait or are being made. */
import type { Holder } from '../../src/errors.ts'
import { ageNow, state } from './store.ts'
import { bytes, counted, duration } from './words.ts'

export function HoldersPanel() {
  const now = state.value
  const waiting = now?.waitingPins ?? 0
  return (
    <section aria-labelledby="holders-title">
      <h2 id="holders-title">Holders</h2>
      <HolderTable
        name="Pins"
        holders={now?.pins ?? []}
        count={now?.stats.pins}
        none="Nothing is pinned. A pin appears here while I/O uses blocks: file.pin(), sendTo(), a download."
      />
      <HolderTable
        name="Leases"
        holders={now?.leases ?? []}
        none="No layout leases. file.lease({ type: 'layout' }) takes one, for pins that stay."
      />
      <HolderTable
        name="Waits and breaks"
        holders={now?.changes ?? []}
        none="No layout change is under way. One that meets pins waits here under busy: wait."
      />
      {waiting > 0 ? <p>{counted(waiting, 'pin')} waiting for a layout change.</p> : null}
    </section>
  )
}

interface TableProps {
  readonly name: string
  readonly holders: readonly Holder[]
  readonly count?: number | undefined
  readonly none: string
}

function HolderTable({ name, holders, count = holders.length, none }: TableProps) {
  const id = `holders-${name.toLowerCase().replaceAll(' ', '-')}`
  return (
    <>
      <h3 id={id}>
        {name} <span class="count">{count}</span>
      </h3>
      {holders.length === 0 ? (
        <p class="empty">{none}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label={name}>
          <table class="cards" aria-labelledby={id}>
            <thead>
              <tr>
                <th>File</th>
                <th class="number">Range</th>
                <th>What</th>
                <th class="number">Age</th>
                <th>Holder</th>
              </tr>
            </thead>
            <tbody>
              {holders.slice(0, 50).map((holder, row) => (
                <tr key={row}>
                  <td>{holder.path ?? `inode ${holder.inode}`}</td>
                  <td class="number" data-name="bytes">
                    {bytes(holder.offset ?? 0)} + {isToTheEnd(holder) ? 'rest' : bytes(holder.length ?? 0)}
                  </td>
                  <td class="what">{whatOf(holder)}</td>
                  <td class="number" data-name="for">
                    {duration(ageNow(holder.ageMs ?? 0))}
                  </td>
                  <td>
                    pid {holder.pid}
                    {holder.threadId === 0 ? '' : ` thread ${holder.threadId}`}
                    <span class="command" title={holder.command}>
                      {shortCommand(holder.command)}
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {count > 50 ? <p class="quiet">The oldest 50 of {count}.</p> : null}
    </>
  )
}

/** What tells programs apart: the script and what it was told, without Node.js, its options, and directories. */
function shortCommand(command: string): string {
  const words = command.split(' ').map((word) => (word.startsWith('-') ? word : word.replace(/^.*\/(?=[^/])/, '')))
  const script = words.findIndex((word, nth) => nth > 0 && !word.startsWith('-'))
  return (words[0] === 'node' && script > 0 ? words.slice(script) : words).join(' ')
}

const isToTheEnd = ({ offset = 0, length }: Holder): boolean =>
  length === undefined || offset + length >= Number.MAX_SAFE_INTEGER

function whatOf(holder: Holder): string {
  const { kind, mode, isStable, isLongTerm, isExclusive, state: phase, cause, lease, heldBackBytes = 0 } = holder
  if (kind === 'change') return [cause ?? 'change', phase].filter(Boolean).join(', ')
  if (kind === 'lease') return [isExclusive === true ? 'exclusive' : 'shared', lease].filter(Boolean).join(', ')
  const heldBack = heldBackBytes > 0 && `holds back ${bytes(heldBackBytes)}`
  return [mode, isStable === true && 'stable', isLongTerm === true && 'long-term', lease, heldBack]
    .filter(Boolean)
    .join(', ')
}
