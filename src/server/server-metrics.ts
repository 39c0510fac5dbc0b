import { Gauge, Registry } from 'prom-client'
import type { Scope } from '../model/app.ts'
import type { ServerContext } from './server-context.ts'

/** Numbers for Prometheus, read when they are asked for. */
export async function serverMetrics(context: ServerContext): Promise<Registry> {
  const registry = new Registry()
  const { version, control } = context
  const gauge = (name: string, help: string, labelNames: readonly string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const of = ['app', 'environment']
  const gauges = {
    revision: gauge('naru_revision', 'Revision that the environment should run', of),
    replicas: gauge('naru_replicas', 'Replicas by role, revision and readiness', [...of, 'role', 'revision', 'ready']),
    connections: gauge('naru_router_connections', 'Connections given to the targets that are there now', [
      ...of,
      'revision',
    ]),
    inFlight: gauge('naru_router_in_flight', 'Connections with bytes under way', of),
    lastRollout: gauge('naru_last_rollout_seconds', 'How long the last ended rollout took', [...of, 'end_state']),
  }
  new Gauge({
    name: 'naru_info',
    help: 'Version and engine of this server; resident bytes of its process are the value',
    labelNames: ['version', 'engine'],
    registers: [registry],
    async collect() {
      this.set({ version, engine: control.place.engine.name }, process.memoryUsage.rss())
      for (const one of Object.values(gauges)) one.reset()
      for (const scope of await control.place.memory.scopes()) await readScope(context, scope, gauges)
    },
  })
  return registry
}

type Gauges = Readonly<Record<'revision' | 'replicas' | 'connections' | 'inFlight' | 'lastRollout', Gauge>>

async function readScope({ control, signal }: ServerContext, scope: Scope, gauges: Gauges): Promise<void> {
  const { memory, engine, router } = control.place
  const labels = { app: scope.app, environment: scope.environment }
  gauges.revision.set(labels, (await memory.desired(scope)).revision ?? 0)
  for (const { role, revision, ready } of (await engine.observe(scope, signal)).replicas) {
    gauges.replicas.inc({ ...labels, role, revision, ready: String(ready) })
  }
  for (const { revision, counts, inFlight } of (await router.observe(scope, signal)).targets) {
    gauges.connections.inc({ ...labels, revision }, counts.connections)
    gauges.inFlight.inc(labels, inFlight)
  }
  const last = (await memory.rollouts(scope, 5)).find(({ endedAtMs }) => endedAtMs !== null)
  if (!last?.endedAtMs) return
  const seconds = (last.endedAtMs - last.startedAtMs) / 1000
  gauges.lastRollout.set({ ...labels, end_state: last.endState ?? 'unknown' }, seconds)
}
