import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Scope } from '../../../model/app.ts'
import { DeployError } from '../../../model/failure.ts'
import { startReady } from '../../../os/ready-child.ts'
import type { Secrets } from './protocol.ts'

/** What is on no disk: what a keeper hands to a successor that it starts itself. */
export interface Handover {
  readonly sockets: readonly { readonly host: string; readonly port: number; readonly handle: object }[]
  readonly secrets: readonly { readonly scope: Scope; readonly replica: string; readonly secrets: Secrets }[]
}

/** What a keeper got from the process that started it. */
export interface Inheritance extends Handover {
  /** The way to the router that goes on, where it was the router of a killed keeper that started this one; else null. */
  readonly router: NodeJS.Process | null
}

/** Over the channel to the successor (a router says only what FromRouter has); a socket travels as its message's handle. */
type Handed =
  | { readonly kind: 'socket'; readonly host: string; readonly port: number }
  | ({ readonly kind: 'secrets' } & Handover['secrets'][number])
  | { readonly kind: 'go'; readonly isRouter?: true }

const READY_TIMEOUT_MS = 15_000

/**
 * Starts the successor and waits until it can take over. Nothing has changed before it resolves; ENGINE_UNREACHABLE when it
 * does not come up.
 */
export async function startSuccessor(command: readonly string[], folder: string): Promise<ChildProcess> {
  try {
    return await startReady(command, keeperLog(folder), READY_TIMEOUT_MS)
  } catch (failed) {
    throw notTakenOver((failed as Error).message)
  }
}

/** Hands everything over; resolves when it is on its way. */
export async function handOver(successor: ChildProcess, { sockets, secrets }: Handover): Promise<void> {
  const send = (message: Handed, handle?: object) =>
    new Promise<void>((resolve, reject) =>
      successor.send(message, handle as Parameters<ChildProcess['send']>[1], (failed) =>
        failed === null ? resolve() : reject(failed),
      ),
    )
  for (const { host, port, handle } of sockets) await send({ kind: 'socket', host, port }, handle)
  for (const one of secrets) await send({ kind: 'secrets', ...one })
  await send({ kind: 'go' })
  successor.disconnect()
  successor.unref()
}

/**
 * The successor's side: what the predecessor hands over, when it has let go of everything; or its router, when it was killed. null: nobody
 * hands anything over.
 */
export async function takeOver(channel: NodeJS.Process): Promise<Inheritance | null> {
  if (channel.send === undefined) return null
  const sockets: Handover['sockets'][number][] = []
  const secrets: Handover['secrets'][number][] = []
  const isRouter = await new Promise<boolean>((resolve) => {
    const take = (message: Handed, handle: unknown) => {
      if (message.kind === 'secrets') secrets.push(message)
      if (message.kind === 'socket' && typeof handle === 'object' && handle !== null)
        sockets.push({ ...message, handle })
      if (message.kind !== 'go') return
      // What a router says from now on is kept until somebody listens.
      channel.off('message', take)
      resolve(message.isRouter ?? false)
    }
    channel.on('message', take)
    // Who is killed in the middle has let go as well: what it did not hand over is lost with it.
    channel.once('disconnect', () => resolve(false))
    // A channel that is closed already says so by itself.
    channel.send?.({ kind: 'ready' }, undefined, {}, () => {})
  })
  if (isRouter) return { sockets, secrets, router: channel }
  if (channel.connected) channel.disconnect()
  return { sockets, secrets, router: null }
}

/** Where a keeper writes. */
export const keeperLog = (folder: string): string => join(folder, 'logs', 'keeper.log')

const notTakenOver = (why: string): DeployError =>
  new DeployError('ENGINE_UNREACHABLE', `the keeper's successor did not take over: ${why}`, {
    hint: 'The old keeper goes on as before. See logs/keeper.log in the data folder, then try again.',
  })
