import { chmodSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { DeployError } from '../model/failure.ts'

/** A layer may take long to arrive; what stalls is ended by the registry. Headers have no reason to. */
export const TIMEOUTS = { headersTimeout: 20_000, requestTimeout: 60 * 60_000 }

type Listen = (address: ListenOptions) => Promise<Server>

/** Listens on a unix socket that only this user can open, from its first moment on. */
export async function listenOnSocket(path: string, listen: Listen): Promise<Server> {
  rmSync(path, { force: true })
  const mask = process.umask(0o177)
  const listening = listen({ path })
  process.umask(mask)
  const server = await listening
  chmodSync(path, 0o600)
  return server
}

/** Listens on `HOST:PORT`, and answers the URL with the port that it became. Throws USAGE_INVALID, PORT_TAKEN. */
export async function listenOnTcp(address: string, scheme: 'http' | 'https', listen: Listen): Promise<string> {
  const [, host = '', port = ''] = /^(?:(\[[0-9a-fA-F:]+\]|[^:\s]+):)?(\d{1,5})$/.exec(address) ?? []
  if (port === '' || Number(port) > 65_535) {
    throw new DeployError('USAGE_INVALID', `--listen ${JSON.stringify(address)} is no address`, {
      hint: 'Write HOST:PORT, such as 127.0.0.1:7070.',
    })
  }
  const bare = host === '' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '')
  const server = await listen({ host: bare, port: Number(port) })
  const bound = server.address() as AddressInfo
  return `${scheme}://${bare.includes(':') ? `[${bare}]` : bare}:${bound.port}`
}

/** Resolves when the server listens. Throws PORT_TAKEN, USAGE_INVALID. */
export function listenOn(server: Server, address: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (failed: NodeJS.ErrnoException) => reject(listenFailure(failed, address)))
    server.listen(address, () => resolve())
  })
}

const FOREIGN_ADDRESS = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'])

function listenFailure(failed: NodeJS.ErrnoException, address: ListenOptions): Error {
  const where = `${address.host}:${address.port}`
  const more = { detail: { address: where }, cause: failed }
  if (failed.code === 'EADDRINUSE') {
    const hint = 'Choose another one with --listen, or end what listens there (ss -ltnp).'
    return new DeployError('PORT_TAKEN', `${where} is taken`, { hint, ...more })
  }
  if (failed.code === 'EACCES' && address.port !== undefined) {
    const hint = 'Ports below 1024 are for root: choose another one with --listen.'
    return new DeployError('USAGE_INVALID', `this user may not listen on ${where}`, { hint, ...more })
  }
  if (!FOREIGN_ADDRESS.has(failed.code ?? '')) return failed
  const hint = 'See the addresses of this machine with: ip -brief address. 0.0.0.0 is all of them.'
  return new DeployError('USAGE_INVALID', `${address.host} is no address of this machine`, { hint, ...more })
}

/** Undoes in reverse what was opened; whatever fails to close keeps nothing else open. Throws the first failure. */
export async function closeAll(closing: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of closing.splice(0).reverse()) {
    try {
      await step()
    } catch (failed) {
      failures.push(failed)
    }
  }
  if (failures.length > 0) throw failures[0]
}
