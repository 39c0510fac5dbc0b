import { BlockList, isIPv6 } from 'node:net'

/** How far an address reaches. `local`: link-local and other addresses that only this machine's surroundings answer, metadata services among them. */
export type AddressClass = 'loopback' | 'local' | 'private' | 'public'

/** Metadata services outside the link-local ranges: Amazon and Google by IPv6, Alibaba, Oracle, Azure. */
const METADATA = [
  ...([
    ['fd00:ec2::254', 128],
    ['fd20:ce::254', 128],
  ] as const),
  ...([
    ['100.100.100.200', 32],
    ['192.0.0.192', 32],
    ['168.63.129.16', 32],
  ] as const),
]

const lists: readonly (readonly [AddressClass, BlockList])[] = [
  ['loopback', listOf(['127.0.0.0', 8], ['::1', 128])],
  ['local', listOf(...METADATA)],
  ['local', listOf(['0.0.0.0', 8], ['169.254.0.0', 16], ['224.0.0.0', 3], ['::', 128], ['fe80::', 10], ['ff00::', 8])],
  ['private', listOf(['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['fc00::', 7])],
]

/** The class of an IP address (RFC 6890); addresses of IPv4 inside IPv6 (mapped, NAT64) count as what they hold. */
export function addressClass(address: string): AddressClass {
  const embedded = embeddedAddress(address) ?? address
  const family = isIPv6(embedded) ? 'ipv6' : 'ipv4'
  return lists.find(([, list]) => list.check(embedded, family))?.[0] ?? 'public'
}

function embeddedAddress(address: string): string | null {
  const match = /^(?:::ffff:|64:ff9b::)(?:([0-9.]+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address)
  if (match === null) return null
  const [, dotted, high = '', low = ''] = match
  if (dotted !== undefined) return dotted
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}

/**
 * Whether a registry may send us on to an address (A9): never to metadata services, and from a public registry never into
 * our own network. A registry in a private network may name another place there.
 */
export function mayLeadTo(registry: AddressClass, other: AddressClass): boolean {
  if (other === 'public' || other === registry) return true
  return other === 'private' && registry === 'loopback'
}

function listOf(...ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, isIPv6(network) ? 'ipv6' : 'ipv4')
  return list
}
