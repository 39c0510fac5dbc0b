import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { isRegistryHost } from '../../model/reference.ts'

/** Name and password of `Authorization: Basic`; null: there are none. */
export function basicOf(header: string): { readonly name: string; readonly secret: string } | null {
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header) ?? []
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? null : { name: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/** The token of `Authorization: Bearer`; null: there is none. */
export const bearerOf = (header: string): string | null => /^bearer +([^ ]+) *$/i.exec(header)?.[1] ?? null

/**
 * The URL that a client knows this server by: what it called, by TLS also where a proxy takes that off. A client that writes something
 * else into its own headers misleads itself.
 */
export function originOf({ headers, socket }: IncomingMessage): string {
  const isSecure = socket instanceof TLSSocket || headers['x-forwarded-proto'] === 'https'
  const { host = '' } = headers
  const named = isRegistryHost(host) ? host : `${bracketed(socket.localAddress ?? '127.0.0.1')}:${socket.localPort}`
  return `${isSecure ? 'https' : 'http'}://${named}`
}

/**
 * Whom failed logins count for: the address of the client; an IPv6 network of /64 is one. Behind a proxy on this machine it is the
 * last address that the proxy says; a proxy elsewhere counts itself.
 */
export function addressOf({ headers, socket }: IncomingMessage): string {
  const peer = socket.remoteAddress ?? 'gone'
  const forwarded = headers['x-forwarded-for']
  const told = typeof forwarded === 'string' ? forwarded.split(',').at(-1)?.trim() : undefined
  const isProxied = told !== undefined && told !== '' && /^(::ffff:)?127\.|^::1$/.test(peer)
  return networkOf((isProxied ? told : peer).slice(0, 64))
}

/** What counts as one address: an IPv4 address, however it is written, or an IPv6 network of /64. */
export function networkOf(text: string): string {
  const address = text.replace(/^::ffff:/, '')
  if (!address.includes(':')) return address
  const [before = '', after] = address.split('::')
  const groups = before === '' ? [] : before.split(':')
  const rest = after === undefined || after === '' ? [] : after.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => '0')
  return [...groups, ...(after === undefined ? [] : zeros), ...rest].slice(0, 4).join(':')
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
