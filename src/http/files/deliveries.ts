/**
 * Deliveries: what is known of responses that were sent past Node.js, for whoever writes a log: how much of the body was
 * sent, and why one was broken off here. Kept for as long as the response is.
 */
import type { ServerResponse } from 'node:http'
import type { Limit } from './holds.ts'

export interface Delivery {
  /** Bytes of the body that were given to the kernel, or of the last 16 KiB to Node.js; undefined: Node.js sent it. */
  bytes?: number | undefined
  /** Why it was broken off, if that was not the client. */
  brokenOff?: Why | undefined
}

/** 'error': what failed was told to `onError`; 'end': the server ends. */
type Why = Limit | 'error' | 'end'

/** In the response itself: a WeakMap of all would cost every response more than its other bookkeeping. */
const DELIVERY = Symbol('delivery')

type Response = ServerResponse & { [DELIVERY]?: Delivery }

const NOTHING: Delivery = {}

export const deliveryOf = (response: ServerResponse): Readonly<Delivery> => (response as Response)[DELIVERY] ?? NOTHING

export function hasSent(response: ServerResponse, bytes: number): void {
  kept(response).bytes = bytes
}

export function breaksOff(response: ServerResponse, brokenOff: Why): void {
  kept(response).brokenOff = brokenOff
}

const kept = (response: Response): Delivery => (response[DELIVERY] ??= { bytes: undefined, brokenOff: undefined })
