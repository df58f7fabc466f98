/** Files of a directory, and one of them: its extents, holders and policies. */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { FileListing, FileView } from '../../src/http/api/files-view.ts'
import { ask, EXTENTS, fileAddress, fileAt, filesIn, MOST_EXTENTS } from './api.ts'
import { facts, mayChange, refreshMap, state, told, view } from './store.ts'
import { bytes, counted, whole } from './words.ts'

const directory = signal('/')
const listing = signal<FileListing | undefined>(undefined)
const chosen = signal<FileView | undefined>(undefined)

const join = (name: string): string => `${directory.value === '/' ? '' : directory.value}/${name}`

async function list(path: string): Promise<void> {
  try {
    listing.value = await filesIn(path)
    directory.value = path
  } catch (error) {
    told(error)
  }
}

const choose = (path: string): Promise<void> => fileAt(path).then((file) => void (chosen.value = file), told)

let isLooking = false

/** Looks at the chosen file again, with as many extents as are shown. One that is gone is no longer chosen. */
async function lookAgain(): Promise<void> {
  const file = chosen.value
  if (file === undefined || isLooking || file.extents.length > MOST_EXTENTS) return
  isLooking = true
  const now = await fileAt(file.path, { limit: Math.max(EXTENTS, file.extents.length) }).catch(() => undefined)
  isLooking = false
  // Another one may have been chosen, or more extents asked for.
  if (chosen.value === file) chosen.value = now
}

async function configure(change: Record<string, string | null>): Promise<void> {
  const { path } = chosen.value!
  try {
    chosen.value = await ask<FileView>(`file?path=${encodeURIComponent(path)}`, 'PATCH', change)
    await list(directory.value)
  } catch (error) {
    told(error)
  }
}

export function FilesPanel() {
  const changed = state.value?.stats
  const files = changed?.files
  const used = changed?.usedBytes
  useEffect(() => void list(directory.value), [files, used])
  useEffect(() => void lookAgain(), [state.value])
  const shown = listing.value
  return (
    <section aria-labelledby="files-title">
      <div class="bar">
        <h2 id="files-title">Files</h2>
        <code>{directory}</code>
        <span class="spring" />
        {directory.value === '/' ? null : (
          <button type="button" onClick={() => void list(directory.value.replace(/\/[^/]*$/, '') || '/')}>
            Up
          </button>
        )}
      </div>
      {shown === undefined || shown.entries.length === 0 ? (
        <p class="empty">Nothing here. holdfast put POOL FILE /NAME puts a file into the pool.</p>
      ) : (
        <div class="scroll tall" tabIndex={0} role="group" aria-label="Entries of the directory">
          <table class="cards" aria-labelledby="files-title">
            <thead>
              <tr>
                <th>Name</th>
                <th class="number">Size</th>
                <th class="number">On device</th>
                <th>Busy policy</th>
              </tr>
            </thead>
            <tbody>
              {shown.entries.map((entry) => (
                <tr key={entry.name}>
                  <td>
                    <button
                      type="button"
                      class="link"
                      aria-current={chosen.value?.path === join(entry.name) ? 'true' : undefined}
                      onClick={() => void (entry.kind === 'directory' ? list : choose)(join(entry.name))}
                    >
                      {entry.name}
                      {entry.kind === 'directory' ? '/' : ''}
                    </button>
                  </td>
                  <td class="number">{entry.kind === 'file' ? bytes(entry.sizeBytes) : entry.kind}</td>
                  <td class="number" data-name={entry.kind === 'file' ? 'on device' : undefined}>
                    {entry.kind === 'file' ? bytes(entry.mappedBytes) : ''}
                  </td>
                  <td>{entry.busy ?? <span class="quiet">{facts.value?.policies.busy}</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen.value === undefined ? null : <OneFile file={chosen.value} />}
    </section>
  )
}

/** As the server has it: files, but what is hidden and lost+found. */
const isServed = ({ path, stat }: FileView): boolean =>
  stat.kind === 'file' && !path.startsWith('/lost+found/') && !path.includes('/.')

function OneFile({ file }: { readonly file: FileView }) {
  const showBlocks = (block: number, length: number): void => {
    view.value = { from: Math.max(0, block - length), to: Math.min(facts.value?.blocks ?? 0, block + 2 * length + 16) }
    void refreshMap()
  }
  return (
    <div class="one">
      <div class="bar">
        <h3>{file.path}</h3>
        <span class="spring" />
        {isServed(file) ? (
          <a href={fileAddress(file.path)} target="_blank" rel="noreferrer">
            Open
          </a>
        ) : null}
      </div>
      <p class="quiet">
        inode {file.stat.inode}, {bytes(file.stat.sizeBytes)} in {counted(file.extentCount, 'extent')},{' '}
        {counted(file.pins.length, 'pin')}, {counted(file.leases.length, 'lease')}
        {file.heldBackBytes > 0 ? `, ${bytes(file.heldBackBytes)} held back` : ''}
      </p>
      {mayChange.value ? (
        <div class="fields">
          <Policy name="busy" value={file.stat.busy} choices={['fail', 'wait', 'sequester']} />
          <Policy name="dax" value={file.stat.dax} choices={['always', 'never']} />
        </div>
      ) : (
        <p class="quiet">
          busy: {file.policy.busy}, dax: {file.policy.dax}. To change them here: holdfast serve --write, and open the
          address that it prints.
        </p>
      )}
      <ul class="extents" aria-label="Extents" tabIndex={0}>
        {file.extents.map(({ offset, block, length }) => (
          <li key={offset}>
            <button type="button" class="link" onClick={() => showBlocks(block, length)}>
              {bytes(offset)} → block {whole(block)}, {whole(length)} blocks
            </button>
          </li>
        ))}
      </ul>
      {file.nextExtent === undefined ? null : (
        <button type="button" onClick={() => void moreExtents(file)}>
          More extents: {whole(file.extents.length)} of {whole(file.extentCount)} are shown
        </button>
      )}
    </div>
  )
}

/** Those behind the ones that are shown. */
async function moreExtents(file: FileView): Promise<void> {
  try {
    const { extents, nextExtent } = await fileAt(file.path, { from: file.nextExtent ?? 0 })
    if (chosen.value !== file) return
    const { nextExtent: _, ...rest } = file
    const all = { ...rest, extents: [...file.extents, ...extents] }
    chosen.value = nextExtent === undefined ? all : { ...all, nextExtent }
  } catch (error) {
    told(error)
  }
}

interface PolicyProps {
  readonly name: string
  readonly value: string | null
  readonly choices: readonly string[]
}

const Policy = ({ name, value, choices }: PolicyProps) => (
  <label>
    {name}
    <select
      aria-label={`${name} policy`}
      value={value ?? ''}
      onChange={({ currentTarget }) => void configure({ [name]: currentTarget.value || null })}
    >
      <option value="">the pool's</option>
      {choices.map((choice) => (
        <option key={choice}>{choice}</option>
      ))}
    </select>
  </label>
)
