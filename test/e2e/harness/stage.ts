import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import type { HistoryBody, ImagesBody, OperationBody, StatusBody } from '../../../src/api/responses.ts'
import type { Event } from '../../../src/model/event.ts'
import { endFolder } from '../../../src/main/end-folder.ts'
import { freePort } from './free-ports.ts'
import { leftovers } from './leftovers.ts'
import { type Ended, follow } from './operation.ts'
import { preparedBase } from './prepared-base.ts'
import { ServerProcess } from './server-process.ts'
import { TestApp } from './test-app.ts'

const FOREVER = new AbortController().signal
const S = (app: TestApp) => `/v1/apps/${app.name}/environments/local`

/** What a deploy and a build of what is committed have in common. */
export const asked = (app: TestApp) => ({
  file: { text: app.text, name: 'naru.yaml' },
  folderName: app.name,
  environment: null,
  source: { repository: app.repository, folder: '', ref: null },
  variables: {},
  by: 'test',
})

/** Which data path a scenario goes through. */
export type RouterPath = 'userland' | 'nftables'

/** Whether the kernel's path can be used here. */
export const hasKernelPath = process.getuid?.() === 0

/** A server on a data folder of its own with the base image in it: what a scenario plays on. At its end nothing may be left. */
export class Stage {
  readonly server: ServerProcess
  readonly folder: string

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder
    this.server = new ServerProcess(join(folder, 'd'), env)
  }

  static async open(
    options: { readonly router?: RouterPath; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Stage> {
    const { router = 'userland', env = {} } = options
    // Short: the path of a unix socket has 107 bytes.
    const folder = mkdtempSync(join(tmpdir(), 'nx-'))
    const stage = new Stage(folder, { ...(router === 'userland' ? { NARU_ROUTER: 'userland' } : {}), ...env })
    const isLaid = await preparedBase.lay(stage.server.folder)
    await stage.server.start()
    if (isLaid) return stage
    const base = { program: process.execPath, repository: 'base/node', tag: '24' }
    await stage.server.client.post('/v1/images/base', base, FOREVER)
    await preparedBase.keep(stage.server.folder)
    return stage
  }

  async app(name: string): Promise<TestApp> {
    return TestApp.create(join(this.folder, 'git'), name, await freePort())
  }

  /** Asks for a deploy of what is committed, and answers its operation. */
  async begin(app: TestApp, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const body = { ...asked(app), image: null, revision: null, plan: null, ...more }
    return (await this.server.client.post<OperationBody>('/v1/deploys', body, FOREVER)).operation
  }

  /** Deploys what is committed, to the end. */
  async deploy(app: TestApp, onEvent?: (event: Event) => void): Promise<Ended> {
    return this.follow(await this.begin(app), onEvent)
  }

  follow(operation: string, onEvent?: (event: Event) => void): Promise<Ended> {
    return follow(this.server.client, operation, onEvent)
  }

  /** `rollback`, `scale`, `pause`, `resume`, `abort` or `stop`: answers the operation. */
  async command(app: TestApp, name: string, more: object = {}): Promise<string> {
    return (await this.server.client.post<OperationBody>(`${S(app)}/${name}`, { by: 'test', ...more }, FOREVER))
      .operation
  }

  async run(app: TestApp, name: string, more: object = {}): Promise<Ended> {
    return this.follow(await this.command(app, name, more))
  }

  status(app: TestApp): Promise<StatusBody> {
    return this.server.client.get<StatusBody>(S(app), FOREVER)
  }

  async history(app: TestApp): Promise<HistoryBody['rollouts']> {
    return (await this.server.client.get<HistoryBody>(`${S(app)}/rollouts`, FOREVER)).rollouts
  }

  /** Tags of the app's images in the embedded registry. */
  async tags(app: TestApp): Promise<readonly string[]> {
    const { images } = await this.server.client.get<ImagesBody>('/v1/images', FOREVER)
    return images.find(({ repository }) => repository === app.name)?.tags ?? []
  }

  async setSecret(app: TestApp, name: string, value: string): Promise<void> {
    await this.server.client.put(`${S(app)}/secrets/${name}`, { value, by: 'test' }, FOREVER)
  }

  /** Waits until the status is as wanted; answers it. */
  async until(
    app: TestApp,
    what: string,
    isSo: (status: StatusBody) => boolean,
    timeout = 20_000,
  ): Promise<StatusBody> {
    return eventually(
      async () => {
        const status = await this.status(app)
        if (!isSo(status)) throw new Error(`not yet: ${what}\n${JSON.stringify(status, null, 1)}`)
        return status
      },
      { timeout, interval: 30 },
    )
  }

  /** Ends everything, deletes everything, and answers what is left all the same. */
  async close(): Promise<string[]> {
    const { folder } = this.server
    const id = readFileSync(join(folder, 'id'), 'utf8').trim()
    await this.server.kill('SIGTERM')
    await endFolder(folder, 500, AbortSignal.timeout(30_000))
    // Not rmSync: it stops without a word at a file that another process has just taken away.
    await rm(this.folder, { recursive: true, force: true })
    let left: string[] = []
    const nothingLeft = () => {
      left = leftovers(folder, id)
      if (left.length > 0) throw new Error('not yet')
    }
    await eventually(nothingLeft, { timeout: 10_000, interval: 50 }).catch(() => {})
    return left
  }
}
