import { BlockList, isIP, isIPv6 } from 'node:net'
import { DeployError } from '../../../model/failure.ts'
import { addressClass } from '../../../os/address-class.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that the environment names for a URL, or null: HTTPS_PROXY, HTTP_PROXY and NO_PROXY by the rules that Docker and
 * podman follow (Go's httpproxy): a name in NO_PROXY covers what is below it, addresses may be ranges, and this machine is
 * never asked for through a proxy. Throws REGISTRY_SETTINGS_INVALID.
 */
export function proxyFor(url: URL, env: Environment): string | null {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = variable(env, name)
  if (proxy === '') return null
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (host === 'localhost' || (isIP(host) !== 0 && addressClass(host) === 'loopback')) return null
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  const isExcepted = variable(env, 'NO_PROXY')
    .split(',')
    .some((entry) => matches(entry.trim().toLowerCase(), host, port))
  return isExcepted ? null : checkedProxy(name, proxy)
}

const variable = (env: Environment, name: string) => env[name] || env[name.toLowerCase()] || ''

/** Whether an entry of NO_PROXY covers a host: `*`, a name, `.name` (only what is below it), an address or a range, with or without a port. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (isIP(host) !== 0 && entry.includes('/')) return isInRange(host, entry)
  const [, name = '', entryPort] = /^(\[[^\]]*\]|.*?)(?::([0-9]+))?$/.exec(isIPv6(entry) ? `[${entry}]` : entry) ?? []
  if (entryPort !== undefined && entryPort !== port) return false
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*\./, '.')
  if (bare === '') return false
  if (bare.startsWith('.')) return host.endsWith(bare)
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`))
}

function isInRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  const version = isIP(network)
  const prefix = /^[0-9]{1,3}$/.test(bits) ? Number(bits) : -1
  if (version === 0 || prefix < 0 || prefix > (version === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, version === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** A proxy is spoken to by HTTP or TLS. What is refused is not printed: it may hold a password. */
function checkedProxy(name: string, proxy: string): string {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`
  if (URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)) return text
  throw new DeployError('REGISTRY_SETTINGS_INVALID', `the variable ${name} names no proxy that can be used`, {
    hint: 'Write http://host:port or https://host:port. SOCKS proxies are not supported.',
  })
}
