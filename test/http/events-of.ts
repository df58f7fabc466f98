/** Server-sent events as they come. */
export interface ServerEvent {
  readonly event: string
  readonly data: string
}

/** Ends with the response; whoever stops reading takes it away. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body!) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const valueOf = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = valueOf('data')
      if (data !== undefined) yield { event: valueOf('event') ?? 'message', data }
    }
  }
}
