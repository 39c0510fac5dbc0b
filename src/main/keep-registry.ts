import { existsSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Memory } from '../memory/memory.ts'
import { openSqliteMemory } from '../memory/sqlite-memory.ts'
import { DeployError, type FailureCode } from '../model/failure.ts'
import type { KeepingReport, KeepingRequest } from '../model/registry-keeping.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import { type CachedRegistry, originOf } from '../registry/cache/origins.ts'
import { openRegistry } from '../registry/client/open-registry.ts'
import { DiskStore } from '../registry/disk/disk-store.ts'
import { type Keeping, keepRegistry as keep } from '../registry/keeping/keep-registry.ts'
import { otherPlaces } from '../registry/keeping/other-places.ts'
import { KEEPING_PATH } from '../registry/server/keeping-routes.ts'
import { dataPaths } from './data-folder.ts'
import { lockFolder } from './folder-lock.ts'
import { readyFolder } from './ready-folder.ts'

/** How a store is kept; `kept`: manifests that stay although no tag names them; `copies`: of which registries it is a cache. */
export const keepingOf = (
  store: DiskStore,
  kept: Keeping['kept'],
  copies: readonly CachedRegistry[] = [],
): Keeping => ({
  store,
  kept,
  elsewhere: (from) =>
    otherPlaces(
      (registry) => openRegistry(registry, { clock, env: process.env }),
      from,
      (repository) => originOf(copies, repository),
    ),
  now: () => clock.now(),
})

/** Digests of all releases that are remembered: a rollback can go back to each of them. */
export async function keptByReleases(memory: Memory): Promise<ReadonlySet<string>> {
  const scopes = await memory.scopes()
  const releases = (await Promise.all(scopes.map((scope) => memory.releases(scope)))).flat()
  return new Set(releases.map(({ artifact }) => artifact.digest))
}

/** The same, of a data folder whose `naru server` does not run. */
export async function keptByFolder(folder: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  if (!existsSync(join(folder, 'memory.db'))) return new Set()
  const memory = await openSqliteMemory({ folder, keyFile: dataPaths(folder).keyFile, clock, signal })
  try {
    return await keptByReleases(memory)
  } finally {
    await memory.close()
  }
}

/**
 * Collects or scrubs the registry of a data folder: through whoever serves it, or here where nobody does. Reports how far it is; the last
 * report is what was done. Throws SERVER_IN_USE, DATA_FOLDER_UNUSABLE, USAGE_INVALID, DISK_FULL, SERVER_LOST.
 */
export async function* keepRegistry(folder: string, request: KeepingRequest, signal: AbortSignal) {
  const { registrySocket, socket } = dataPaths(folder)
  for (const path of [registrySocket, socket]) {
    const answer = await ask(path, request, signal)
    if (answer !== null) return yield* reportsOf(answer)
  }
  yield* keepHere(folder, request, signal)
}

/** The answer of whoever listens there; null: nobody does. */
function ask(socketPath: string, request: KeepingRequest, signal: AbortSignal): Promise<IncomingMessage | null> {
  return new Promise((resolve, reject) => {
    const asked = http.request({ socketPath, path: KEEPING_PATH, method: 'POST', signal, agent: false })
    asked.on('response', (answer) => (answer.statusCode === 200 ? resolve(answer) : reject(strange(answer))))
    asked.on('error', (failed: NodeJS.ErrnoException) => {
      if (failed.code === 'ENOENT' || failed.code === 'ECONNREFUSED') resolve(null)
      else reject(signal.aborted ? signal.reason : lost(failed))
    })
    asked.end(JSON.stringify(request))
  })
}

async function* reportsOf(answer: IncomingMessage): AsyncGenerator<KeepingReport> {
  let last: KeepingReport | null = null
  try {
    for await (const line of createInterface({ input: answer })) {
      last = JSON.parse(line) as KeepingReport
      if (last.kind === 'failed') break
      yield last
    }
  } catch (failed) {
    throw lost(failed)
  }
  if (last?.kind === 'failed') throw new DeployError(last.code as FailureCode, last.message, { hint: last.hint })
  if (last === null || last.kind === 'progress') throw lost(null)
}

/** Nobody else works on the folder until it is done. */
async function* keepHere(folder: string, request: KeepingRequest, signal: AbortSignal): AsyncGenerator<KeepingReport> {
  const { lock: path, registry } = dataPaths(folder)
  const isMissing = () => (request.kind === 'collect' || request.kind === 'scrub') && !existsSync(registry)
  // Nothing is made in a folder that is something else.
  if (isMissing() && !existsSync(path)) throw nothing(folder)
  await readyFolder(folder)
  const lock = lockFolder(path, folder)
  try {
    if (isMissing()) throw nothing(folder)
    const store = await DiskStore.open(registry, clock)
    try {
      const told: KeepingReport[] = []
      let woken = Promise.withResolvers<void>()
      const tell = (report: KeepingReport) => {
        told.push(report)
        woken.resolve()
      }
      const done = keep(
        keepingOf(store, () => keptByFolder(folder, signal)),
        request,
        tell,
        signal,
      ).then(tell)
      for (let isOver = false; !isOver; ) {
        isOver = await Promise.race([woken.promise.then(() => false), done.then(() => true)])
        woken = Promise.withResolvers()
        yield* told.splice(0)
      }
    } finally {
      await store.close()
    }
  } finally {
    lock.release()
  }
}

/** A timer whose folder was mistyped must not succeed every night. */
const nothing = (folder: string) =>
  new DeployError('USAGE_INVALID', `there is no registry in ${folder}`, {
    hint: 'Give the data folder of the registry with --data.',
    detail: { folder },
  })

const lost = (cause: unknown) =>
  new DeployError('SERVER_LOST', 'the registry ended before it was done', {
    hint: 'Nothing is half done: run the same command again.',
    cause,
  })

const strange = ({ statusCode = 0 }: IncomingMessage) =>
  new DeployError('SERVER_LOST', `the server on this folder does not know how to do that (HTTP ${statusCode})`, {
    hint: 'It is older than this command: end it and start it again.',
  })
