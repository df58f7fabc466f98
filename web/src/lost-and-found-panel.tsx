/** Lost+found: blocks that left their file while somebody held them. */
import { ask } from './api.ts'
import { ageNow, mayChange, state, told } from './store.ts'
import { bytes, duration } from './words.ts'

const reclaim = (body: { name?: string }): Promise<unknown> => ask('lost-and-found/reclaim', 'POST', body).catch(told)

export function LostAndFoundPanel() {
  const files = state.value?.lostAndFound ?? []
  return (
    <section aria-labelledby="lost-title">
      <div class="bar">
        <h2 id="lost-title">Lost+found</h2>
        <span class="spring" />
        {mayChange.value && files.length > 0 ? (
          <button type="button" onClick={() => void reclaim({})}>
            Reclaim all idle
          </button>
        ) : null}
      </div>
      {files.length === 0 ? (
        <p class="empty">
          Empty. Blocks come here when a file lets go of them while they are pinned (busy: sequester).
        </p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Files of lost+found">
          <table class="cards" aria-labelledby="lost-title">
            <thead>
              <tr>
                <th>From</th>
                <th class="number">Offset</th>
                <th class="number">Bytes</th>
                <th class="number">Since</th>
                <th>Held by</th>
                {mayChange.value ? <th>Action</th> : null}
              </tr>
            </thead>
            <tbody>
              {files.map(({ name, originName, offset, length, sinceMs, holders }) => (
                <tr key={name}>
                  <td title={name}>{originName}</td>
                  <td class="number" data-name="at">
                    {bytes(offset)}
                  </td>
                  <td class="number" data-name="bytes">
                    {bytes(length)}
                  </td>
                  <td class="number" data-name="for">
                    {duration(ageNow(Math.max(0, (state.value?.atMs ?? sinceMs) - sinceMs)))}
                  </td>
                  <td data-name="held by">
                    {holders.length === 0 ? 'nobody: idle' : holders.map(({ pid }) => `pid ${pid}`).join(', ')}
                  </td>
                  {mayChange.value ? (
                    <td>
                      <button
                        type="button"
                        disabled={holders.length > 0}
                        aria-label={`Reclaim ${name}`}
                        onClick={() => void reclaim({ name })}
                      >
                        Reclaim
                      </button>
                    </td>
                  ) : null}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}
