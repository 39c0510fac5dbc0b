import { join } from 'node:path'
import { EmbeddedEngine } from '../engines/embedded/embedded-engine.ts'
import { type OpenReplicaRoots, openReplicaRoots } from '../engines/embedded/roots/replica-roots.ts'
import type { Isolation } from '../engines/embedded/launch.ts'
import type { Place } from '../deploy/place.ts'
import { openSqliteMemory } from '../memory/sqlite-memory.ts'
import { instanceId } from '../os/instance-id.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import { proberProcess } from '../probe/prober-process.ts'
import { readinessProbe } from '../probe/readiness-probe.ts'
import { DiskStore } from '../registry/disk/disk-store.ts'
import { connectRouter } from '../routing/router-client.ts'
import { routerPaths } from '../routing/router-process.ts'
import { redactor } from '../secrets/redact.ts'
import { dataPaths } from './data-folder.ts'
import { pruneImages } from './prune-images.ts'

/** Our own processes run on the Node that runs us: never another one of the PATH. */
const program = (path: string): readonly string[] => [process.execPath, join(import.meta.dirname, '..', path)]

/** The embedded place of a data folder, with all that was opened for it. */
export interface OpenPlace {
  readonly place: Place
  readonly images: DiskStore
  readonly roots: OpenReplicaRoots
  /** Stops and removes everything that runs from the folder: replicas, router, keeper. */
  shutdown(graceMs: number, signal: AbortSignal): Promise<void>
  /** Lets go of everything; what runs goes on. */
  close(): Promise<void>
}

/** Opens the one place that there is so far: this machine. */
export async function openPlace(folder: string, signal: AbortSignal): Promise<OpenPlace> {
  const paths = dataPaths(folder)
  const id = await instanceId(folder)
  const images = await DiskStore.open(paths.registry, clock)
  const memory = await openSqliteMemory({ folder, keyFile: paths.keyFile, clock, signal, alone: true })
  const roots = await openReplicaRoots({
    folder: join(folder, 'embedded'),
    instanceId: id,
    images,
    clock,
    signal,
    ...isolationAsked(),
  })
  const fastPath = process.env.NARU_ROUTER === 'userland' ? 'none' : 'nftables'
  const routerCommand = [...program('routing/router-main.ts'), folder, id, fastPath]
  const engine = new EmbeddedEngine({
    folder,
    roots,
    keeperCommand: [...program('main/keeper-main.ts'), folder, ...routerCommand],
    probe: readinessProbe(clock),
    clock,
    limits: roots.limits,
    notes: roots.notes,
    openSecrets: (release) => memory.openSecrets(release, release.secrets),
  })
  const router = connectRouter({ socket: routerPaths(folder).socket, clock })
  const place: Place = {
    engine,
    router,
    memory,
    prober: proberProcess({ command: program('probe/prober-main.ts'), clock }),
    clock,
    holder: `server ${process.pid} of ${folder}`,
    ledger: ({ app, environment }, rollout) => join(paths.probes, `${app}.${environment}.${rollout}`),
    redactor,
    pruneImages: async () => {
      await pruneImages(images, memory, {}, signal)
    },
  }
  return {
    place,
    images,
    roots,
    async shutdown(graceMs, until) {
      await engine.shutdown(graceMs, until)
      await roots.removeAll(until)
    },
    async close() {
      await engine.close()
      await router.close()
      await images.close()
      await memory.close()
    },
  }
}

/** For trying a weaker isolation than the machine allows: NARU_ISOLATION. */
function isolationAsked(): { isolation?: Isolation } {
  const asked = process.env.NARU_ISOLATION
  return asked === undefined || asked === '' ? {} : { isolation: asked as Isolation }
}
