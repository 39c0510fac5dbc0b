import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { backoff } from '../../src/lib/backoff.ts'
import { systemClock } from '../../src/os/system-clock.ts'

const never = new AbortController().signal

/** Debian's docker-registry on a free port of the loopback, its files below `folder`. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`; plain HTTP. */
  readonly host: string
  readonly pid: number
}

export async function startDockerRegistry(folder: string): Promise<DockerRegistry> {
  const host = `127.0.0.1:${await freePort()}`
  const config = join(folder, 'registry.yml')
  await writeFile(
    config,
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${join(folder, 'registry')}}, cache: {blobdescriptor: inmemory}, delete: {enabled: true}}\nhttp: {addr: "${host}"}\n`,
  )
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'docker-registry', 'serve', config], { stdio: 'ignore' })
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error('docker-registry ended')))
  })
  ended.catch(() => {})
  await answers(host, ended)
  return { host, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child) }
}

async function answers(host: string, ended: Promise<never>): Promise<void> {
  for (const delay of backoff()) {
    const up = await Promise.race([fetch(`http://${host}/v2/`).catch(() => null), ended])
    if (up?.ok === true) return
    await systemClock.sleep(delay, never)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
