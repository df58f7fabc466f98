/** INTERRUPT: the caller of another request got a signal. */

/** The `unique` of that request. A reply is owed only to say EAGAIN: that one is not known, ask again. */
export const readInterrupt = (body: Buffer): bigint => body.readBigUInt64LE(0)
