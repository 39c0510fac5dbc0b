import { request } from 'node:http'
import { connect } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { HealthCheck } from '../model/app.ts'
import type { ProbeResult } from '../model/observed.ts'
import type { ReadinessProbe } from './probe.ts'

interface Address {
  readonly host: string
  readonly port: number
}
type Failed = Extract<ProbeResult, { readonly ok: false }>
type Seen = { readonly status: number; readonly location: string | undefined }

/** Asks replicas over http and tcp, each time on a new connection: a kept one would not notice that nobody listens any more. */
export function readinessProbe(clock: Clock): ReadinessProbe {
  return {
    async check(address, check, timeoutMs, signal) {
      signal.throwIfAborted()
      if (check.kind === 'run') throw new TypeError('a check of kind run belongs to the engine')
      const target = { host: address.host, port: check.port ?? address.port }
      const timeout = AbortSignal.timeout(timeoutMs)
      const either = AbortSignal.any([signal, timeout])
      try {
        if (check.kind === 'tcp') await connectOnce(target, either)
        else {
          const failure = judge(check, await get(target, check, either))
          if (failure !== null) return { ok: false, atMs: clock.now(), ...failure }
        }
        return { ok: true, atMs: clock.now() }
      } catch (failed) {
        signal.throwIfAborted()
        return { ok: false, atMs: clock.now(), ...explain(failed, target, timeout.aborted ? timeoutMs : null) }
      }
    },
  }
}

function connectOnce({ host, port }: Address, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal }, () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })
}

function get(target: Address, check: Extract<HealthCheck, { kind: 'http' }>, signal: AbortSignal): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const headers = {
      host: check.host ?? `${target.host}:${target.port}`,
      // Replicas on an engine without an L7 router are called by http; an app that redirects to https must see that it is.
      'x-forwarded-proto': 'http',
      'user-agent': 'naru-readiness/1',
      connection: 'close',
    }
    const asked = request({ ...target, path: check.path, headers, agent: false, signal }, (response) => {
      resolve({ status: response.statusCode ?? 0, location: response.headers.location })
      response.destroy()
    })
    asked.on('error', reject)
    asked.end()
  })
}

type Cause = Pick<Failed, 'reason' | 'message' | 'status'>

/** null: ready. */
function judge({ expect, path }: Extract<HealthCheck, { kind: 'http' }>, { status, location }: Seen): Cause | null {
  if (expect === null ? status >= 200 && status <= 299 : expect.includes(status)) return null
  if (status >= 300 && status <= 399 && location !== undefined) {
    return { reason: 'redirect', message: `${path} answered ${status} to ${location.slice(0, 200)}`, status }
  }
  return { reason: 'status', message: `${path} answered ${status}`, status }
}

/** What a failed attempt says. `timedOutMs`: the time that was given, when it is what ended the attempt. */
function explain(failed: unknown, { port }: Address, timedOutMs: number | null): Cause {
  const because = (reason: Cause['reason'], message: string): Cause => ({ reason, message, status: null })
  if (timedOutMs !== null) return because('timeout', `no answer on port ${port} within ${timedOutMs} ms`)
  const { code = '', message } = failed as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return because('refused', `connection refused on port ${port}`)
  if (code === 'ECONNRESET' || code === 'EPIPE') return because('reset', `connection reset on port ${port}`)
  return because('protocol', `port ${port} did not answer in HTTP: ${message}`)
}
