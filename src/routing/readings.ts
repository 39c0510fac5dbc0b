import { type Scope, scopeName } from '../model/app.ts'
import type { ObservedRouter, ObservedTarget } from '../model/observed.ts'
import { readSockets, type SocketRow } from './kernel/socket-table.ts'
import type { RouterCore } from './router-core.ts'
import type { TargetRecord } from './router-state.ts'
import type { LiveTarget } from './userland/live-target.ts'

/** A connection that is set up and that the target has not ended. */
const OPEN = new Set<SocketRow['state']>(['ESTABLISHED', 'CLOSE_WAIT'])
/** One whose bytes may still be under way. */
const BUSY = new Set<SocketRow['state']>(['ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT1'])

/**
 * The scope as the data path sees it now: the userland router's own tables, and the kernel's sockets and counters where it redirects.
 * What the kernel sent to an Active target is counted in its connections, but not in `inFlight` and `open`.
 */
export async function observeScope(core: RouterCore, scope: Scope): Promise<ObservedRouter> {
  const known = core.scope(scope)
  const kernel = core.kernel !== null && core.view.covers(known) ? core.kernel : null
  // Only of targets that have left: reading the kernel's sockets costs milliseconds, and nothing waits for one that is Active.
  const ports = new Set(known.targets.filter(({ state }) => state !== 'Active').map(({ address }) => address.port))
  const sockets = kernel === null || ports.size === 0 ? [] : readSockets(ports)
  const counters = kernel === null ? null : await kernel.refresh()
  const targets = core.scope(scope).targets.map((record) => {
    const live = liveTarget(core, scope, record)
    const own = userlandReading(record, live)
    if (kernel === null) return own
    const counted = counters?.ports.get(record.address.port)
    return withKernel(own, live, sockets, counted ?? { connections: 0, refused: 0 })
  })
  return kernel === null
    ? { targets, reading: 'bytes', path: 'userland' }
    : { targets, reading: 'queues', path: 'nftables' }
}

/** Of each source port the revision that served it through a published address; null: not known. */
export async function servedBy(
  core: RouterCore,
  scope: Scope,
  sourcePorts: readonly number[],
): Promise<(number | null)[]> {
  const ports = new Set(core.scope(scope).routes.map(({ listen }) => listen.port))
  const redirected = core.kernel === null ? null : core.view.redirected(ports)
  return sourcePorts.map((port) => redirected?.get(port) ?? core.servedBy(scope, port))
}

function liveTarget(core: RouterCore, scope: Scope, record: TargetRecord): LiveTarget | undefined {
  return core.pool(scopeName(scope), record.role).targets.find((live) => live.record.replica === record.replica)
}

function userlandReading(record: TargetRecord, live: LiveTarget | undefined): ObservedTarget {
  const { replica, role, revision, address, state, sinceMs } = record
  return {
    ...{ replica, role, revision, address, state, sinceMs },
    inFlight: live?.inFlight() ?? 0,
    open: live?.openCount() ?? 0,
    counts: { connections: live?.connections ?? 0, refused: live?.refused ?? 0, cut: live?.cut ?? 0 },
  }
}

function withKernel(
  own: ObservedTarget,
  live: LiveTarget | undefined,
  sockets: readonly SocketRow[],
  counted: { readonly connections: number; readonly refused: number },
): ObservedTarget {
  const ours = new Set([...(live?.open ?? [])].map((connection) => connection.upstreamPort))
  const rows = sockets.filter(({ localPort, remotePort }) => localPort === own.address.port && !ours.has(remotePort))
  return {
    ...own,
    inFlight: own.inFlight + rows.filter(({ state, queued }) => queued && BUSY.has(state)).length,
    open: own.open + rows.filter(({ state }) => OPEN.has(state)).length,
    counts: {
      connections: own.counts.connections + counted.connections,
      refused: own.counts.refused + counted.refused,
      cut: own.counts.cut,
    },
  }
}
