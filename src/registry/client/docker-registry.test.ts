import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { describeContentStore } from '../content-store.contract.ts'
import { aFolder, never } from '../testing.ts'
import { registryClient } from './registry-client.ts'

const PROGRAM = '/usr/bin/docker-registry'

/** Debian's registry (distribution 2.8) on a free port. */
async function aDockerRegistry() {
  const folder = await aFolder()
  const port = await freePort()
  const config = join(folder.path, 'config.yml')
  await writeFile(
    config,
    `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${folder.path}/data }, delete: { enabled: true } }
http: { addr: '127.0.0.1:${port}' }
`,
  )
  const child = spawn(PROGRAM, ['serve', config], { stdio: 'ignore', env: { OTEL_TRACES_EXPORTER: 'none' } })
  const ended = once(child, 'exit')
  const store = registryClient({ host: `127.0.0.1:${port}`, clock: systemClock, tries: 6 })
  // It says nothing when it listens: asked until it answers.
  for (let tries = 0; tries < 100; tries++) {
    const answers = await store.tags('nothing/here', never).then(
      () => true,
      () => false,
    )
    if (answers) break
    await systemClock.sleep(100, never)
  }
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      store.close()
      child.kill('SIGKILL')
      await ended
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe.skipIf(!existsSync(PROGRAM))('docker-registry of Debian (left out where it is not installed)', () => {
  describeContentStore('the client of docker-registry', aDockerRegistry, {
    deletesTags: false,
    sha512: false,
  })
})
