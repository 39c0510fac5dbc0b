import { spawn } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { backoff } from '../lib/backoff.ts'
import { DeployError } from '../model/failure.ts'
import { makeFolder } from '../os/atomic-file.ts'
import { systemClock } from '../os/system-clock.ts'
import { dataPaths } from './data-folder.ts'

const START_MS = 20_000
const ANSWER_MS = 2000

/** The socket of the server of a data folder when it answers, else null. */
export async function runningServer(folder: string): Promise<string | null> {
  const { socket } = dataPaths(folder)
  return (await answers(socket)) ? socket : null
}

/**
 * Starts a server of its own, which outlives this process, and waits until it answers: also where a command that served the
 * folder is just leaving it. Throws SERVER_UNREACHABLE with the end of its log.
 */
export async function startServer(folder: string, signal: AbortSignal): Promise<string> {
  const { log } = dataPaths(folder)
  await makeFolder(folder, 0o700)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)])
  const delays = backoff(50, 500)
  while (true) {
    const socket = await startOnce(folder, deadline)
    if (socket !== null) return socket
    signal.throwIfAborted()
    const tail = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-5)
    const isTaken = tail.slice(-2).some((line) => line.includes('SERVER_IN_USE'))
    if (deadline.aborted || !isTaken) throw didNotStart(folder, log, tail)
    await systemClock.sleep(delays.next().value, deadline).catch(() => {})
  }
}

const didNotStart = (folder: string, log: string, tail: readonly string[]) =>
  new DeployError('SERVER_UNREACHABLE', `the server of ${folder} did not start:\n${tail.join('\n')}`, {
    hint: `Its log is ${log}. See what is missing with: naru doctor.`,
    detail: { folder },
  })

/** null: it ended before it answered, or did not answer in time. */
async function startOnce(folder: string, deadline: AbortSignal): Promise<string | null> {
  const paths = dataPaths(folder)
  const log = openSync(paths.log, 'a', 0o600)
  const bin = join(import.meta.dirname, '..', '..', 'bin', 'naru')
  const child = spawn(process.execPath, [bin, 'server', '--data', folder], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: process.env,
  })
  closeSync(log)
  const ended = new Promise<true>((resolve) => {
    child.once('exit', () => resolve(true))
    child.once('error', () => resolve(true))
  })
  child.unref()
  for (const delayMs of backoff(20, 200)) {
    if (await answers(paths.socket)) return paths.socket
    const isOver = await Promise.race([
      ended,
      systemClock.sleep(delayMs, deadline).then(
        () => false,
        () => true,
      ),
    ])
    if (isOver) break
  }
  // Another command may have started one at the same moment: the folder's lock let only one of them live.
  return (await answers(paths.socket)) ? paths.socket : null
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/healthz', timeout: ANSWER_MS }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(false))
    asked.end()
  })
}
