import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { BuildRequestBody } from '../../api/requests.ts'
import type { OperationBody } from '../../api/responses.ts'
import { nearest } from '../../lib/nearest.ts'
import { BUILD_PLATFORM } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { cpuMilli, memoryBytes, runSeconds } from '../numbers.ts'
import { runOperation } from '../operation/run-operation.ts'
import { type AppFields, appRequest } from '../project/app-request.ts'
import type { Session } from '../session.ts'
import { OF_APP, outputForms, share } from '../shared-options.ts'

interface BuildOptions {
  readonly ref?: string
  readonly file?: string
  readonly buildArg?: readonly string[]
  readonly target?: string
  readonly platform?: readonly string[]
  readonly tag?: readonly string[]
  readonly ssh?: readonly string[]
  readonly buildContext?: readonly string[]
  readonly memory?: number
  readonly cpus?: number
  readonly runTimeout?: number
  readonly ca?: string
  readonly cache?: boolean
}

export const describeBuild: Describe = (command, start) => {
  command
    .option('--ref <ref>', 'branch, tag or commit (default: what is checked out)')
    .option('--file <path>', 'Dockerfile in place of that of naru.yaml (naru --file F build: another naru.yaml)')
    .option('--build-arg <name=value>', 'value of an ARG; NAME alone takes it from the environment', append)
    .option('--target <stage>', 'stage to build')
    .option(
      '--platform <os/arch>',
      'what the image is for; of several, an index is made (default: build.platforms)',
      platforms,
    )
    .option(
      '--ssh <id[=socket]>',
      'agent for RUN --mount=type=ssh: default, or its socket (default: $SSH_AUTH_SOCK)',
      append,
    )
    .option('--build-context <name=where>', 'for FROM and --from: a folder, docker-image://NAME, or a git URL', append)
    .option('--memory <amount>', 'what one RUN may take, such as 2Gi (default: build.runLimits.memory)', memoryBytes)
    .option('--cpus <cores>', 'cores for one RUN, such as 1.5 or 500m (default: build.runLimits.cpu)', cpuMilli)
    .option('--run-timeout <seconds>', 'for one RUN (default: build.runLimits.timeoutSeconds, else 3600)', runSeconds)
    .option(
      '--ca <file>',
      'certificates (PEM) that RUN trusts besides its image; system: those of the server’s machine',
    )
    .option('--no-cache', 'carry each RUN out, also where its result is there; later builds find the new one')
    .option('--tag <reference>', 'also under this tag, or pushed to this registry', append)
    .option('-o, --output <where>', 'json, or where the image goes too: oci:FOLDER, registry/repository:tag', place)
  share(
    command,
    OF_APP.filter((name) => name !== 'file' && name !== 'output'),
  )
  command.action((options: BuildOptions) => start(command, (session) => build(session, options, command)))
  examples(command, [
    ['naru build --tag v1', 'into the embedded registry, also as v1'],
    ['naru build -o oci:./image', 'also as an OCI image layout'],
    ['naru build --platform linux/amd64,linux/arm64 --tag v1', 'an image for each, and an index of them'],
    ['naru build --tag ghcr.io/team/shop:1.4 -o json', 'also pushed there; events as JSON lines'],
  ])
}

/** Forms that cannot be taken for one another: a word alone would be a tag, or one that was mistyped. */
function place(text: string, before: readonly string[] = []): readonly string[] {
  if (FORMS.includes(text) || /^oci:./.test(text) || (!text.startsWith('oci:') && /[/:]/.test(text)))
    return [...before, text]
  const near = nearest(text, [...FORMS, 'oci'])
  const meant = near === undefined ? '' : `Did you mean ${near === 'oci' ? 'oci:FOLDER' : near}? `
  throw new InvalidArgumentError(
    `${meant}Write json, text, oci:FOLDER or registry/repository:tag; a tag in the embedded registry is --tag NAME.`,
  )
}

const FORMS: readonly string[] = ['json', 'text']

/** Several with commas between, or by several options; each once. */
function platforms(text: string, before: readonly string[] = []): readonly string[] {
  const asked = text.split(',').map((one) => one.trim())
  const wrong = asked.find((one) => !BUILD_PLATFORM.test(one))
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `${JSON.stringify(wrong)} is none. Write linux/amd64, linux/arm64 or linux/arm/v7, several with commas between.`,
    )
  }
  return [...new Set([...before, ...asked])]
}

const append = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

async function build(session: Session, options: BuildOptions, command: Command): Promise<number> {
  const fields = await appRequest(session, { ref: options.ref ?? null, needsSource: true })
  const { layouts, references } = places(session, outputForms(command))
  const body: BuildRequestBody = {
    ...fields,
    dockerfile: options.file === undefined ? null : await inRepository(session, fields, options.file),
    args: Object.fromEntries((options.buildArg ?? []).map((text) => buildArg(text, session.env))),
    target: options.target ?? null,
    ...(options.platform === undefined ? {} : { platforms: [...options.platform] }),
    ssh: Object.fromEntries((options.ssh ?? []).map((text) => agent(text, session))),
    contexts: Object.fromEntries((options.buildContext ?? []).map(namedContext)),
    runLimits: {
      memoryBytes: options.memory ?? null,
      cpuMilli: options.cpus ?? null,
      timeoutMs: options.runTimeout === undefined ? null : options.runTimeout * 1000,
    },
    ca: await certificates(session, options.ca),
    ...(options.cache === false ? { fresh: true } : {}),
    tags: [...(options.tag ?? []), ...references],
    output: layouts[0] ?? null,
  }
  return withServer(session, 'looks', async (connection) => {
    const begin = () => connection.client.post<OperationBody>('/v1/builds', body, session.signal)
    return (await runOperation(session, connection, begin)).exit
  })
}

/** Where the image goes besides the embedded registry; `json` and `text` are about the output only. */
function places({ folder }: Session, asked: readonly string[]): { layouts: string[]; references: string[] } {
  const where = asked.filter((text) => text !== 'json' && text !== 'text')
  const layouts = where.filter((text) => text.startsWith('oci:')).map((text) => `oci:${resolve(folder, text.slice(4))}`)
  if (layouts.length > 1) {
    throw new DeployError('USAGE_INVALID', 'only one --output oci:FOLDER can be written at a time', {
      hint: 'Copy the folder, or build once more: nothing is built twice.',
    })
  }
  return { layouts, references: where.filter((text) => !text.startsWith('oci:')) }
}

/** A path as the user sees it, from the root of the repository. */
async function inRepository({ folder, host, signal }: Session, { source }: AppFields, path: string): Promise<string> {
  if (source.repository === null && source.upload === undefined) return path
  const found = await host.repository.find(folder, signal)
  if (found === null) return path
  const inside = relative(found.root, resolve(folder, path))
  if (!inside.startsWith('..')) return inside
  throw new DeployError('USAGE_INVALID', `--file ${path} is outside of the repository`, {
    hint: 'A build takes files of the commit only: choose one of the repository.',
  })
}

function buildArg(text: string, env: Session['env']): [string, string] {
  const at = text.indexOf('=')
  const name = at < 0 ? text : text.slice(0, at)
  if (!/^[A-Za-z_]\w*$/.test(name)) throw new InvalidArgumentError(`${text}: write NAME=VALUE.`)
  return [name, at < 0 ? (env[name] ?? '') : text.slice(at + 1)]
}

/** `default`, `ID`, `ID=/path/of/socket`. */
function agent(text: string, { env, folder }: Session): [string, string] {
  const at = text.indexOf('=')
  const id = at < 0 ? text : text.slice(0, at)
  const socket = at < 0 ? (env.SSH_AUTH_SOCK ?? '') : text.slice(at + 1)
  if (!/^[\w.-]+$/.test(id)) throw new InvalidArgumentError(`--ssh ${text}: write default, or ID=/path/of/socket.`)
  if (socket !== '') return [id, resolve(folder, socket)]
  throw new DeployError('USAGE_INVALID', `--ssh ${text}: there is no agent, SSH_AUTH_SOCK is not set`, {
    hint: 'Start one: eval "$(ssh-agent)" && ssh-add. Or name its socket: --ssh default=/path/of/socket.',
  })
}

/** The text of the file: a server elsewhere does not have it. */
async function certificates({ folder }: Session, path: string | undefined): Promise<string | null> {
  if (path === undefined || path === 'system') return path ?? null
  try {
    return await readFile(resolve(folder, path), 'utf8')
  } catch (failed) {
    throw new DeployError('USAGE_INVALID', `--ca ${path} cannot be read: ${(failed as Error).message}`, {
      hint: 'Give a file of certificates in PEM form, or system.',
    })
  }
}

function namedContext(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)]
  throw new InvalidArgumentError(
    `--build-context ${text}: write NAME=FOLDER, NAME=docker-image://IMAGE or NAME=URL.git.`,
  )
}
