import { mkdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { instanceId } from '../../os/instance-id.ts'
import type { Release } from '../../model/release.ts'
import { systemClock } from '../../os/system-clock.ts'
import { readinessProbe } from '../../probe/readiness-probe.ts'
import type { EngineUnderTest } from '../engine.contract.ts'
import { EmbeddedEngine } from './embedded-engine.ts'
import type { Isolation, Launch, ReplicaPlace, ReplicaRoots } from './launch.ts'
import { openReplicaRoots } from './roots/replica-roots.ts'
import { contractImage, IMAGE } from './testing-image.ts'

const FIXTURES = resolve(import.meta.dirname, '../../../test/fixtures')
const KEEPER = join(import.meta.dirname, 'keeper/testing-keeper.ts')

/** Roots without images: every release is test/fixtures/contract-app.mjs, run by this Node. */
export function hostRoots(folder: string): ReplicaRoots {
  const launch = (place: ReplicaPlace, release: Release, command: readonly string[]): Launch => {
    const { env, roles, secrets } = release.settings
    const [program = '', ...args] = command
    const secretFolder = join(folder, 'secrets')
    mkdirSync(secretFolder, { recursive: true })
    return {
      program: program === 'node' ? process.execPath : program,
      args,
      env: {
        PATH: '/usr/bin:/bin',
        ...env,
        ...roles.find((role) => role.name === place.role)?.env,
        ...(place.port === null ? {} : { PORT: String(place.port) }),
      },
      cwd: FIXTURES,
      uid: null,
      gid: null,
      stopSignal: 'SIGUSR1',
      signalTo: 'child',
      cgroups: [],
      cgroupSteps: [],
      before: [],
      after: [],
      secretFiles: secrets.flatMap(({ name, file }) => (file === null ? [] : [{ secret: name, path: file }])),
      secretEnv: secrets.flatMap(({ name, file }) => (file === null ? [name] : [])),
    }
  }
  const roleCommand = (place: ReplicaPlace, release: Release) =>
    release.settings.roles.find((role) => role.name === place.role)?.run ?? ['node', 'contract-app.mjs']
  return {
    isolation: 'none',
    prepare: async () => {},
    launch: async (place, release) => launch(place, release, roleCommand(place, release)),
    settle: async () => {},
    launchOnce: async (place, release, command) => launch(place, release, command),
    exec: async (place, release, command) => launch(place, release, command),
    remove: async () => {},
    prune: async () => {},
  }
}

/** The embedded engine in a temporary folder, with a keeper process of its own. */
export async function embeddedUnderTest(
  roots: (folder: string) => ReplicaRoots | Promise<ReplicaRoots> = hostRoots,
  more: Partial<Pick<EngineUnderTest, 'publish' | 'image' | 'secretFile'>> = {},
): Promise<EngineUnderTest & { readonly folder: string; keeperPid(): Promise<number> }> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-'))
  mkdirSync(join(folder, 'secrets'))
  let engine: EmbeddedEngine | null = null
  const again = async () => {
    await engine?.close()
    engine = new EmbeddedEngine({
      folder,
      roots: await roots(folder),
      keeperCommand: [process.execPath, KEEPER, folder],
      probe: readinessProbe(systemClock),
      clock: systemClock,
      limits: [],
      notes: [],
      openSecrets: null,
    })
    return engine
  }
  const keeperPid = async () => ((await engine?.status(AbortSignal.timeout(20_000))) ?? { pid: 0 }).pid
  return {
    folder,
    again,
    keeperPid,
    publish: async (release) => release,
    image: { uid: null, cwd: FIXTURES, stopSignal: 'SIGUSR1', devStderr: true },
    secretFile: join(folder, 'secrets', 'key'),
    killParent: async () => {
      process.kill(await keeperPid(), 'SIGKILL')
    },
    written: () => everything(folder),
    close: async () => {
      await engine?.shutdown(0, AbortSignal.timeout(60_000))
      await rm(folder, { recursive: true, force: true })
    },
    ...more,
  }
}

/** The same with images and the isolation that is named, on the real roots. */
export async function isolatedUnderTest(isolation: Isolation): ReturnType<typeof embeddedUnderTest> {
  const { store, publish } = contractImage()
  const open = async (folder: string) =>
    openReplicaRoots({
      folder: join(folder, 'embedded'),
      instanceId: await instanceId(folder),
      images: store,
      isolation,
      clock: systemClock,
    })
  // In a user namespace everybody is the one id that is mapped; with nothing at all a replica is this user, in the paths of this machine.
  const uid = isolation === 'namespaces' || isolation === 'chroot' ? IMAGE.uid : null
  const image = { ...IMAGE, uid, cwd: isolation === 'none' ? null : IMAGE.cwd, devStderr: isolation !== 'chroot' }
  const secretFile = isolation === 'none' ? null : '/run/secrets/key'
  return embeddedUnderTest(open, { publish, image, secretFile })
}

/** All files under a folder, but secret files: these are where the values belong. */
async function everything(folder: string): Promise<string> {
  // A folder that only a user namespace may read (an overlay's work folder) holds nothing of ours.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const texts = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) return everything(path)
    const text = entry.isFile() ? await readFile(path, 'latin1').catch(() => '') : ''
    return entry.parentPath.endsWith('/secrets') ? text.replace('canary-env', '') : text
  })
  return (await Promise.all(texts)).join('\n')
}
