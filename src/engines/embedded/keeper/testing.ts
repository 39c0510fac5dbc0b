import { type ChildProcess, spawn } from 'node:child_process'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../../os/system-clock.ts'
import { aRelease, anApp } from '../../testing.ts'
import type { Launch } from '../launch.ts'
import { KeeperClient } from '../keeper-client.ts'
import { keeperLog } from './handover.ts'
import type { KeeperRequest, KeeperStatus } from './protocol.ts'
import type { ReplicaRecord, ReplicaSpec } from './replica/replica-record.ts'

const FIXTURES = resolve(import.meta.dirname, '../../../../test/fixtures')
export const SCOPE = { app: 'shop', environment: 'test' }

/** A keeper in a temporary folder, and the way to it. */
export interface KeeperUnderTest {
  readonly folder: string
  readonly command: readonly string[]
  request<T>(message: KeeperRequest): Promise<T>
  replica(name?: string): Promise<ReplicaRecord | undefined>
  /** kill -9 of the keeper; the next request starts its successor. */
  kill(): Promise<void>
  close(): Promise<void>
}

/** `routerOf`: the router's argument list for this folder; `uid`: as whom the keeper runs (needs root). */
export async function keeperUnderTest(
  routerOf: ((folder: string) => readonly string[]) | null = null,
  uid: number | null = null,
): Promise<KeeperUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-'))
  if (uid !== null) {
    // This process starts the keeper, and so would make its log.
    await mkdir(join(folder, 'logs'))
    await writeFile(keeperLog(folder), '')
    for (const path of [folder, join(folder, 'logs'), keeperLog(folder)]) await chown(path, uid, uid)
  }
  const router = JSON.stringify(routerOf?.(folder) ?? null)
  const user = uid === null ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
  const command = [...user, process.execPath, join(import.meta.dirname, 'testing-keeper.ts'), folder, '30000', router]
  const client = new KeeperClient({ folder, command, clock: systemClock })
  const request = <T>(message: KeeperRequest) => client.request<T>(message, AbortSignal.timeout(60_000))
  return {
    folder,
    command,
    request,
    replica: async (name = 'web-1-1') =>
      (await request<ReplicaRecord[]>({ kind: 'observe', scope: SCOPE })).find(
        ({ spec }) => spec.place.replica === name,
      ),
    kill: async () => {
      process.kill((await request<KeeperStatus>({ kind: 'status' })).pid, 'SIGKILL')
    },
    close: async () => {
      await client.shutdown(0, AbortSignal.timeout(60_000))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs test/fixtures/contract-app.mjs with this environment. */
export function aSpec(
  env: Record<string, string> = {},
  launch: Partial<Launch> = {},
  replica = 'web-1-1',
): ReplicaSpec {
  return {
    place: { scope: SCOPE, replica, role: 'web', revision: 1, port: null },
    release: aRelease(anApp()),
    launch: {
      program: process.execPath,
      args: ['contract-app.mjs'],
      env,
      cwd: FIXTURES,
      uid: null,
      gid: null,
      stopSignal: 'SIGTERM',
      signalTo: 'child',
      cgroups: [],
      cgroupSteps: [],
      before: [],
      after: [],
      secretFiles: [],
      secretEnv: [],
      ...launch,
    },
  }
}

/** A process that has nothing to do with a keeper. */
export const aStranger = (): ChildProcess => spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })

/** What a port of this machine says, until it ends the connection. */
export async function readPort(port: number): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of connect(port, '127.0.0.1') as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
