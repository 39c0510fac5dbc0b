import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Descriptor, platformText } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import { ProgramNotStarted, run, type RunResult } from '../../os/run.ts'
import type { Builder, BuildRequest, BuildResult } from '../builder.ts'
import { folderOf, openFolder } from './open-folder.ts'
import { LayerCache } from '../publish/layer-cache.ts'
import { redactor } from '../run/redactor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { storeDockerArchive } from './store-docker-archive.ts'
import {
  buildahPlan,
  buildkitPlan,
  dockerPlan,
  type Tool,
  type ToolBuild,
  type ToolCommand,
  type ToolPlan,
  type ToolResult,
} from './tool-commands.ts'

/** What handing over needs from outside. */
export interface HandOverOptions {
  readonly cacheFolder: string
  /** Of the tool: where its daemon is, its configuration, proxies. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Copies the one image of an OCI image layout. */
  readonly storeLayout: (
    folder: string,
    to: BuildRequest['destination'],
    signal: AbortSignal,
  ) => Promise<{ readonly artifact: Descriptor; readonly sentBytes: number }>
}

const BUILD_MS = 2 * 60 * 60_000
const ASK_MS = 30_000
const LAST_LINES = 20

/** Hands whole builds to a tool of this machine; the result goes where our own goes. The tool's cache is its own. */
export function handOverBuilder(tool: Tool, options: HandOverOptions): Builder {
  return {
    async build(request, report, signal) {
      // Reads and checks what the tool will be told to read.
      const opened = await openFolder(request)
      opened.close()
      const temporary = temporaryFolder(options.cacheFolder)
      await mkdir(temporary, { recursive: true })
      const out = await mkdtemp(join(temporary, 'tool-'))
      try {
        return await new HandOver(options, request, report, signal).build(tool, out)
      } finally {
        await rm(out, { recursive: true, force: true })
      }
    },
  }
}

class HandOver {
  readonly #options: HandOverOptions
  readonly #request: BuildRequest
  readonly #report: Report
  readonly #signal: AbortSignal
  readonly #env: Record<string, string>
  readonly #redact: (line: string) => string

  constructor(options: HandOverOptions, request: BuildRequest, report: Report, signal: AbortSignal) {
    this.#options = options
    this.#request = request
    this.#report = report
    this.#signal = signal
    const own = Object.entries(options.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    const secrets = Object.values(request.secrets ?? {}).map((value, at) => [variableOf(at), value])
    this.#env = Object.fromEntries([...own, ...secrets])
    this.#redact = redactor(Object.values(request.secrets ?? {}))
  }

  async build(tool: Tool, out: string): Promise<BuildResult> {
    this.#checkAsked(tool)
    const plan = await this.#plan(tool, out)
    await this.#run(plan.build, BUILD_MS)
    const id = plan.idFile === null ? '' : (await readFile(plan.idFile, 'utf8')).trim()
    const fetch = plan.fetch(id)
    if (fetch !== null) await this.#run(fetch, BUILD_MS)
    const stored = await this.#store(plan.result, out)
    const { digest, size } = stored.artifact
    this.#report({ kind: 'push', digest, size, sentBytes: stored.sentBytes })
    return { ...stored, images: {} }
  }

  /** What only our own builder does is told, never left out in silence. */
  #checkAsked(tool: Tool): void {
    const { runLimits = {}, split = null, ca = null } = this.#request
    const limited = Object.values(runLimits).some((limit) => limit !== null)
    for (const key of [
      ...(limited ? ['runLimits'] : []),
      ...(split === null ? [] : ['split']),
      ...(ca === null ? [] : ['ca']),
    ])
      this.#report({ kind: 'note', message: `build.${key} does not hold where ${tool} builds` })
  }

  async #plan(tool: Tool, out: string): Promise<ToolPlan> {
    const root = folderOf(this.#request)
    const {
      context,
      dockerfile,
      target,
      args,
      epochSeconds,
      ssh = {},
      secrets = {},
      contexts = {},
      platforms = [],
      fresh = false,
    } = this.#request
    const ids = Object.keys(secrets).map((id, at) => ({ id, variable: variableOf(at) }))
    const folders = Object.entries(contexts).map(([name, from]) => [name, isElsewhere(from) ? from : join(root, from)])
    const common: ToolBuild = {
      contexts: Object.fromEntries(folders),
      target,
      args,
      epochSeconds,
      ssh,
      out,
      fresh,
      secrets: ids,
      platforms: platforms.map(platformText),
      context: join(root, context),
      dockerfile: join(root, dockerfile),
    }
    if (tool === 'buildah') return buildahPlan(common)
    if (tool === 'buildkit' && (await this.#answers('buildctl', ['--version']))) return buildkitPlan(common)
    const hasBuildx = await this.#answers('docker', ['buildx', 'version'])
    if (tool === 'buildkit' && !hasBuildx) throw missing('buildctl, or docker with buildx,', 'buildkit')
    if (!hasBuildx && ids.length + folders.length + platforms.length > 0) {
      throw new DeployError(
        'BUILD_TOOL_MISSING',
        'docker has no buildx here, and its old builder knows no secrets, named contexts and platforms',
        {
          hint: 'Install buildx (docker-buildx-plugin or docker-buildx), or choose another builder with build.with.',
        },
      )
    }
    if (!hasBuildx) this.#env.DOCKER_BUILDKIT = '0'
    return dockerPlan(common, { hasBuildx, hasContainerdStore: await this.#hasContainerdStore() })
  }

  async #store({ form, path }: ToolResult, out: string): Promise<Omit<BuildResult, 'images'>> {
    const { destination, compression = 'gzip' } = this.#request
    const { cacheFolder, storeLayout } = this.#options
    const folder = form === 'layout' ? path : join(out, 'unpacked')
    if (form !== 'layout') {
      await mkdir(folder)
      const args = ['--extract', '--no-same-owner', '--no-same-permissions', `--file=${path}`, `--directory=${folder}`]
      await this.#run({ program: 'tar', args }, BUILD_MS)
    }
    if (form !== 'docker-archive') return { ...(await storeLayout(folder, destination, this.#signal)), layers: [] }
    const temporary = temporaryFolder(cacheFolder)
    const storing = { destination, compression, temporary, cache: new LayerCache(cacheFolder) }
    return storeDockerArchive(folder, storing, this.#signal)
  }

  /** A docker that does not answer is told by its build. */
  async #hasContainerdStore(): Promise<boolean> {
    const answer = await this.#ask('docker', ['info', '--format', '{{json .DriverStatus}}'])
    return answer?.stdout.includes('io.containerd.snapshotter') === true
  }

  /** Whether a program is there and knows these arguments. */
  async #answers(program: string, args: readonly string[]): Promise<boolean> {
    return (await this.#ask(program, args))?.code === 0
  }

  /** null: there is no such program. */
  #ask(program: string, args: readonly string[]): Promise<RunResult | null> {
    const options = { env: this.#env, timeoutMs: ASK_MS, signal: this.#signal }
    return run(program, args, options).catch((failed: unknown) => {
      if (failed instanceof ProgramNotStarted) return null
      throw failed
    })
  }

  /** Runs a program, its lines told as they come. Throws BUILD_TOOL_MISSING, BUILD_TOOL_FAILED with its last lines. */
  async #run({ program, args }: ToolCommand, timeoutMs: number): Promise<void> {
    const last: string[] = []
    const tell = (text: string) => {
      const line = this.#redact(text)
      if (last.push(line) > LAST_LINES) last.shift()
      this.#report({ kind: 'log', from: program, line })
    }
    const lines = { onStdoutLine: tell, onStderrLine: tell }
    const ended = await run(program, args, { env: this.#env, timeoutMs, signal: this.#signal, ...lines }).catch(
      (failed: unknown) => {
        throw failed instanceof ProgramNotStarted ? missing(program, program, failed) : failed
      },
    )
    if (ended.code === 0) return
    const how = ended.timedOut
      ? `was not done after ${timeoutMs / 60_000} minutes`
      : `ended with ${ended.code ?? ended.signal}`
    throw new DeployError('BUILD_TOOL_FAILED', `${program} ${how}:\n${last.join('\n')}`, {
      hint: `Nothing was pushed. These are the last lines of ${program}; try the same build with it by hand.`,
      detail: { program },
    })
  }
}

/** Not a folder of the work tree. */
const isElsewhere = (from: string): boolean => /^[a-z-]+:\/\/|^git@/.test(from)

/** Secrets reach the tool in its environment under names of our own. */
const variableOf = (at: number): string => `NARU_SECRET_${at}`

function missing(what: string, tool: string, cause?: unknown): DeployError {
  return new DeployError('BUILD_TOOL_MISSING', `${what} was not found, and build.with names ${tool}`, {
    hint: 'Install it where the server of Naru runs, or leave build.with out: Naru builds Dockerfiles itself.',
    detail: { tool },
    cause,
  })
}
