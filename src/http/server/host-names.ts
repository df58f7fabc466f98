/**
 * Which names a request may call the server by. A page of another site can have its own name lead to 127.0.0.1 (DNS
 * rebinding), and would then read what is served here as if it were its own. It cannot change what Host says.
 */
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Whether an address can be reached from this machine only. */
export const isLoopback = (address: string): boolean =>
  isIP(address) !== 0 && loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** The name in a Host header, without its port: a tunnel may have another one. */
const nameIn = (host: string): string =>
  host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()

/** Whether a server that listens on loopback, as `host`, may be called so. */
export function isOwnName(header: string | undefined, host: string): boolean {
  if (header === undefined) return false
  const name = nameIn(header)
  return name === 'localhost' || name === host.toLowerCase() || isLoopback(name)
}
