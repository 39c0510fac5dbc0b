import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../os/system-clock.ts'
import { run } from '../../os/run.ts'
import { aFolder, never } from '../testing.ts'

const PROGRAM = '/usr/bin/docker-registry'
const OPENSSL = '/usr/bin/openssl'

/** Whether Debian's registry is here, and openssl for its certificates. */
export const HAS_DOCKER_REGISTRY = existsSync(PROGRAM) && existsSync(OPENSSL)

/** The user kim and the password, as htpasswd -B writes it (bcrypt). */
export const HTPASSWD = {
  password: 'canary-4711',
  text: 'kim:$2b$04$vd0j1OBVLpjoeL7sAu3YleQsvZ2Alt1byTnlCD1eseol1wWSGVhLm\n',
} as const

/** A certificate for 127.0.0.1, localhost and other names that is its own authority, in files of a folder. */
export async function aCertificate(folder: string, names: readonly string[] = []) {
  const [certFile, keyFile] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=naru-test'
  const alternatives = ['IP:127.0.0.1', ...['localhost', ...names].map((name) => `DNS:${name}`)].join(',')
  const extension = ['-addext', `subjectAltName=${alternatives}`]
  const args = [...request.split(' '), ...extension, '-keyout', keyFile, '-out', certFile]
  const made = await run(OPENSSL, args, { env: { PATH: '/usr/bin:/bin' }, timeoutMs: 30_000, signal: never })
  if (made.code !== 0) throw new Error(made.stderr)
  return { certFile, keyFile, cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') }
}

/** Debian's registry (distribution 2.8) on a free port. `http` and `auth` are more of its configuration, on one line each. */
export async function aDockerRegistry(
  more: { readonly http?: string; readonly auth?: string } = {},
): Promise<{ readonly host: string } & AsyncDisposable> {
  const folder = await aFolder()
  const port = await freePort()
  const config = join(folder.path, 'config.yml')
  await writeFile(
    config,
    `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${folder.path}/data }, delete: { enabled: true } }
http: { addr: '127.0.0.1:${port}'${more.http === undefined ? '' : `, ${more.http}`} }
${more.auth === undefined ? '' : `auth: { ${more.auth} }\n`}`,
  )
  const child = spawn(PROGRAM, ['serve', config], { stdio: 'ignore', env: { OTEL_TRACES_EXPORTER: 'none' } })
  const ended = once(child, 'exit')
  // It says nothing when it listens: tried until it does.
  for (let tries = 0; tries < 300 && child.exitCode === null && !(await listens(port)); tries++) {
    await systemClock.sleep(50, never)
  }
  return {
    host: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
      await folder[Symbol.asyncDispose]()
    },
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
