import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startDockerRegistry } from '../../peers/docker-registry.ts'

const NARU = join(import.meta.dirname, '../../../bin/naru')

/** A registry that is measured: a process of its own on a free port, whoever asks may do all. */
export interface Measured extends AsyncDisposable {
  readonly name: string
  readonly host: string
  readonly pid: number
}

/** `naru registry serve` on a data folder. */
export async function serveNaru(data: string, more: readonly string[] = []): Promise<Measured> {
  const args = [
    NARU,
    'registry',
    'serve',
    '--data',
    data,
    '--listen',
    '127.0.0.1:0',
    '--anonymous',
    'all',
    '-o',
    'json',
    ...more,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<never>((_, reject) => child.once('exit', () => reject(new Error('naru ended'))))
  ended.catch(() => {})
  const first = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const line = (await Promise.race([first, ended])).value as string
  const { url } = JSON.parse(line) as { readonly url: string }
  return { name: 'naru', host: new URL(url).host, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child) }
}

/** Debian's docker-registry. */
export async function serveDocker(folder: string): Promise<Measured> {
  const peer = await startDockerRegistry(folder)
  const { host, pid } = peer
  return { name: 'docker-registry', host, pid, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
}

/** Processor time of a process, all threads, user and system, in ms (clock ticks of 10 ms, proc(5)). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** The most memory that a process has held, in MB. */
export const peakMb = (pid: number): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}
