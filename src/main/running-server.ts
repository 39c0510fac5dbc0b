import { spawn } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { backoff } from '../lib/backoff.ts'
import { readFailure } from '../cli/show/failure.ts'
import { DeployError, failureError } from '../model/failure.ts'
import { systemClock } from '../os/system-clock.ts'
import { dataPaths } from './data-folder.ts'
import { readyFolder } from './ready-folder.ts'

const START_MS = 20_000
const ANSWER_MS = 2000

/** The socket of the server of a data folder when it answers, else null. */
export async function runningServer(folder: string): Promise<string | null> {
  const { socket } = dataPaths(folder)
  return (await answers(socket)) ? socket : null
}

/**
 * Starts a server of its own, which outlives this process, and waits until it answers: also where a command that served the
 * folder is just leaving it. Throws what the server failed with; DATA_FOLDER_UNUSABLE; SERVER_UNREACHABLE with what it wrote.
 */
export async function startServer(folder: string, signal: AbortSignal): Promise<string> {
  const { log } = dataPaths(folder)
  await readyFolder(folder)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)])
  const delays = backoff(50, 500)
  while (true) {
    const from = await stat(log).then(
      ({ size }) => size,
      () => 0,
    )
    const socket = await startOnce(folder, deadline)
    if (socket !== null) return socket
    signal.throwIfAborted()
    const wrote = await readFrom(log, from)
    const failure = readFailure(wrote)
    if (deadline.aborted || failure?.code !== 'SERVER_IN_USE') {
      if (failure !== null && failure.code !== 'UNEXPECTED') throw failureError({ ...failure, detail: { folder } })
      throw didNotStart(folder, log, wrote)
    }
    await systemClock.sleep(delays.next().value, deadline).catch(() => {})
  }
}

/** The log holds what earlier servers wrote, too. */
async function readFrom(path: string, position: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(64 * 1024)
    const { bytesRead } = await file.read({ buffer, position })
    return buffer.toString('utf8', 0, bytesRead).trimEnd()
  } finally {
    await file.close()
  }
}

const didNotStart = (folder: string, log: string, wrote: string) =>
  new DeployError(
    'SERVER_UNREACHABLE',
    `the server of ${folder} did not start${wrote === '' ? '' : `:\n${wrote.split('\n').slice(-5).join('\n')}`}`,
    { hint: `Its log is ${log}. See what is missing with: naru doctor.`, detail: { folder } },
  )

/** null: it ended before it answered, or did not answer in time. */
async function startOnce(folder: string, deadline: AbortSignal): Promise<string | null> {
  const paths = dataPaths(folder)
  const log = openSync(paths.log, 'a', 0o600)
  const bin = join(import.meta.dirname, '..', '..', 'bin', 'naru')
  const child = spawn(process.execPath, [bin, 'server', '--data', folder, '--on-demand'], {
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
