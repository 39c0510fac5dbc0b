import { MEDIA_TYPES } from '../../model/descriptor.ts'
import type { EngineTraits } from '../../model/engine-traits.ts'

const L4 = 'The embedded engine publishes ports, not names: use `listen`, or move to the engine docker or kubernetes.'
const ONE_MACHINE = 'The embedded engine is this one machine: leave it out here, or choose the engine docker.'

/** What the embedded engine is, on a machine that can hold replicas to these limits. */
export const embeddedTraits = (limits: EngineTraits['limits']): EngineTraits => ({
  rollsItself: false,
  surges: true,
  replacement: 'TerminationStarted',
  ports: 'assigned',
  limits,
  remembers: true,
  accepts: [MEDIA_TYPES.imageManifest, MEDIA_TYPES.dockerManifest],
  refuses: [
    { key: 'routes[].host', hint: L4 },
    { key: 'routes[].path', hint: L4 },
    { key: 'routes[].tls', hint: L4 },
    {
      key: 'rollout.strategy: Canary',
      hint: 'Use RollingUpdate or Recreate here: an L4 router cannot weigh requests.',
    },
    {
      key: 'rollout.strategy: BlueGreen',
      hint: 'Use RollingUpdate with maxSurge 100%, which brings up all new replicas first.',
    },
    { key: 'roles.*.replicas.perHost', hint: ONE_MACHINE },
    { key: 'roles.*.replicas.min', hint: 'There is no autoscaling here: write a number, and use `naru scale N`.' },
    { key: 'roles.*.replicas.max', hint: 'There is no autoscaling here: write a number, and use `naru scale N`.' },
    { key: 'roles.*.replicas.cpu', hint: 'There is no autoscaling here: write a number, and use `naru scale N`.' },
    { key: 'roles.*.hosts', hint: ONE_MACHINE },
    { key: 'health.liveness', hint: 'Replicas that exit are started again; a check that kills is not done here.' },
    {
      key: 'roles.*.health.liveness',
      hint: 'Replicas that exit are started again; a check that kills is not done here.',
    },
    { key: 'hosts', hint: ONE_MACHINE },
    { key: 'context', hint: 'A context belongs to the engine kubernetes.' },
    { key: 'cluster', hint: 'A cluster belongs to the engine kubernetes.' },
    { key: 'namespace', hint: 'A namespace belongs to the engine kubernetes.' },
    { key: 'tomcat', hint: 'This key belongs to the engine tomcat.' },
    { key: 'router', hint: 'The embedded engine brings its own router.' },
  ],
})
