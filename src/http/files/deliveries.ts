/**
 * Deliveries: what is known of responses that were sent past Node.js, for whoever writes a log: how much of the body was
 * sent, and why one was broken off here. Kept for as long as the response is.
 */
import type { ServerResponse } from 'node:http'
import type { Limit } from './holds.ts'

export interface Delivery {
  /** Bytes of the body that were given to the kernel, or of the last 16 KiB to Node.js; undefined: Node.js sent it. */
  bytes?: number
  /** Why it was broken off, if that was not the client. */
  brokenOff?: Why
}

/** 'error': what failed was told to `onError`; 'end': the server ends. */
type Why = Limit | 'error' | 'end'

const deliveries = new WeakMap<ServerResponse, Delivery>()

export const deliveryOf = (response: ServerResponse): Readonly<Delivery> => deliveries.get(response) ?? {}

export const hasSent = (response: ServerResponse, bytes: number): void => note(response, { bytes })

export const breaksOff = (response: ServerResponse, brokenOff: Why): void => note(response, { brokenOff })

const note = (response: ServerResponse, news: Delivery): void =>
  void deliveries.set(response, { ...deliveries.get(response), ...news })
