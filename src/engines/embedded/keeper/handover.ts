import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from '../../../model/app.ts'
import { DeployError } from '../../../model/failure.ts'
import { openLog } from '../../../os/open-log.ts'
import type { Secrets } from './protocol.ts'

/** What a keeper knows that is on no disk: what it hands to a successor that it starts itself. */
export interface Inheritance {
  readonly sockets: readonly { readonly host: string; readonly port: number; readonly handle: object }[]
  readonly secrets: readonly { readonly scope: Scope; readonly replica: string; readonly secrets: Secrets }[]
}

/** Over the channel from predecessor to successor; a socket travels as its message's handle. */
type Handed =
  | { readonly kind: 'socket'; readonly host: string; readonly port: number }
  | ({ readonly kind: 'secrets' } & Inheritance['secrets'][number])
  | { readonly kind: 'go' }

const READY_TIMEOUT_MS = 15_000

/**
 * Starts the successor and waits until it can take over. Nothing has changed before it resolves; ENGINE_UNREACHABLE when it
 * does not come up.
 */
export async function startSuccessor(command: readonly string[], folder: string): Promise<ChildProcess> {
  const [program = '', ...args] = command
  const log = openLog(join(folder, 'logs', 'keeper.log'))
  const successor = spawn(program, args, { detached: true, stdio: ['ignore', log, log, 'ipc'], cwd: '/' })
  closeSync(log)
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer)
      successor.kill('SIGKILL')
      reject(notTakenOver(why))
    }
    const timer = setTimeout(() => fail(`it was not ready after ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS)
    successor.once('error', (failed) => fail(failed.message))
    successor.once('exit', (code, signal) => fail(`it ended with ${signal ?? code}`))
    successor.once('message', () => {
      clearTimeout(timer)
      successor.removeAllListeners('exit')
      resolve(successor)
    })
  })
}

/** Hands everything over; resolves when it is on its way. */
export async function handOver(successor: ChildProcess, { sockets, secrets }: Inheritance): Promise<void> {
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

/** The successor's side: what the predecessor hands over, when it has let go of everything; null: there is none. */
export async function takeOver(channel: NodeJS.Process): Promise<Inheritance | null> {
  if (channel.send === undefined) return null
  const sockets: Inheritance['sockets'][number][] = []
  const secrets: Inheritance['secrets'][number][] = []
  await new Promise<void>((resolve) => {
    // A predecessor that is killed in the middle has let go as well: what it did not hand over is lost with it.
    channel.once('disconnect', resolve)
    channel.on('message', (message: Handed, handle: unknown) => {
      if (message.kind === 'go') resolve()
      else if (message.kind === 'secrets') secrets.push(message)
      else if (typeof handle === 'object' && handle !== null) sockets.push({ ...message, handle })
    })
    channel.send?.({ kind: 'ready' })
  })
  if (channel.connected) channel.disconnect()
  return { sockets, secrets }
}

const notTakenOver = (why: string): DeployError =>
  new DeployError('ENGINE_UNREACHABLE', `the keeper's successor did not take over: ${why}`, {
    hint: 'The old keeper goes on as before. See logs/keeper.log in the data folder, then try again.',
  })
