/** Why a stream was closed before the I/O of a pin on it was over. Comes out of the call, as with `stream.pipeline`. */
export function closedEarly(stream: { readonly errored?: Error | null }): Error {
  return stream.errored ?? Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
