import { execFile } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const GIT_ENV = {
  PATH: process.env.PATH ?? '',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
}

/** What one version of the application says in naru.yaml, over the defaults of the tests. JSON is YAML. */
export type Settings = Readonly<Record<string, unknown>>

/** How the program behaves: see app/server.mjs. */
export type Mode =
  | 'good'
  | 'crashes'
  | 'answers-500'
  | 'wrong-port'
  | 'lies'
  | 'exits-after-ready'
  | 'deaf'
  | 'leaks'
  | 'hungry'
  | 'chatty'
  | 'worker'

/** A Git repository with an application, one commit for each version. */
export class TestApp {
  readonly name: string
  readonly repository: string
  readonly port: number
  #text = ''
  #versions = 0

  private constructor(name: string, repository: string, port: number) {
    this.name = name
    this.repository = repository
    this.port = port
  }

  /** `port`: where it is published. */
  static async create(folder: string, name: string, port: number): Promise<TestApp> {
    const repository = join(folder, name)
    await mkdir(folder, { recursive: true })
    await cp(join(import.meta.dirname, 'app'), repository, { recursive: true })
    const app = new TestApp(name, repository, port)
    await app.#git('init', '-q', '-b', 'main')
    return app
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** naru.yaml as it is committed last. */
  get text(): string {
    return this.#text
  }

  /** Commits the next version (v1, v2 …) and answers its name. */
  async commit(mode: Mode, settings: Settings = {}): Promise<string> {
    this.#versions++
    const version = `v${this.#versions}`
    const { env, rollout, ...more } = settings
    const file = {
      app: this.name,
      health: { readiness: { path: '/healthz' } },
      replicas: 2,
      routes: [{ role: 'web', listen: `127.0.0.1:${this.port}` }],
      receipt: { path: '/', rate: 50 },
      env: { MODE: mode, ...(env as object | undefined) },
      rollout: { maxSurge: 1, maxUnavailable: 0, terminationGracePeriodSeconds: 5, ...(rollout as object | undefined) },
      environments: { local: { engine: 'embedded' } },
      ...more,
    }
    this.#text = `${JSON.stringify(file, null, 2)}\n`
    await writeFile(join(this.repository, 'naru.yaml'), this.#text)
    await writeFile(join(this.repository, 'version.txt'), `${version}\n`)
    await this.#git('add', '.')
    await this.#git('commit', '-q', '-m', `${version} ${mode}`)
    return version
  }

  /** Writes a file to be in the next commit. */
  async write(path: string, content: string | Uint8Array): Promise<void> {
    await writeFile(join(this.repository, path), content)
  }

  async #git(...args: readonly string[]): Promise<void> {
    await exec('git', ['-C', this.repository, ...args], { env: GIT_ENV })
  }
}
