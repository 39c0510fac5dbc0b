import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { aBusyboxBuild, hasBusybox } from '../../src/build/run/testing.ts'
import { type TestBuild, writeTree } from '../../src/build/testing.ts'
import { DeployError } from '../../src/model/failure.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { registryClient } from '../../src/registry/client/registry-client.ts'
import { copyImage } from '../../src/registry/copy-image.ts'
import { OciLayout } from '../../src/registry/oci-layout.ts'
import { type Buildkit, buildkitPrograms, startBuildkit } from '../peers/buildkit.ts'
import { call, CallFailed, has } from '../peers/call.ts'
import { startDockerRegistry } from '../peers/docker-registry.ts'
import { BASES } from './cases/bases.ts'
import { type ContextFile, type DockerfileCase, dockerfileText } from './dockerfile-case.ts'
import { differences, type ImageFacts, readFacts } from './image-facts.ts'

const never = new AbortController().signal

/** What came of one case. */
export type Verdict =
  | { readonly kind: 'same' }
  | { readonly kind: 'not yet'; readonly reason: string }
  | { readonly kind: 'differs'; readonly lines: readonly string[] }

export interface BothBuilders extends AsyncDisposable {
  readonly versions: string
  judge(one: DockerfileCase): Promise<Verdict>
}

/** What reading an image's facts needs and this machine has not; null: nothing. */
export async function missingForFacts(): Promise<string | null> {
  if (process.geteuid?.() !== 0) return 'root'
  if (!hasBusybox) return 'busybox-static'
  for (const program of ['umoci', 'getfattr', 'runc', 'apt-get']) if (!(await has(program))) return program
  return null
}

/** What a comparison with BuildKit needs and this machine has not, BuildKit's own packages among it; null: nothing. */
export async function missingForBoth(): Promise<string | null> {
  const program = await missingForFacts()
  if (program !== null) return program
  return buildkitPrograms().then(
    () => null,
    (failed: unknown) => `Debian sid's docker: ${String(failed).split('\n', 1)[0]}`,
  )
}

/** Starts BuildKit and a registry with the base images; the same images stand in Naru's store. */
export async function openBoth(): Promise<BothBuilders> {
  const stack = new AsyncDisposableStack()
  try {
    const folder = await mkdtemp(join(tmpdir(), 'naru-differential-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const buildkit = stack.use(await startBuildkit())
    const registry = stack.use(await startDockerRegistry(folder))
    const naru = stack.use(await aBusyboxBuild({}))
    await makeBases(naru, registry.host)
    let count = 0
    return {
      versions: buildkit.versions,
      judge: (one) => judge(one, { buildkit, host: registry.host, naru, folder: join(folder, String(count++)) }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (failed) {
    await stack.disposeAsync()
    throw failed
  }
}

async function makeBases(naru: TestBuild, host: string): Promise<void> {
  const remote = registryClient({ host, clock: systemClock })
  const copy = (repository: string) =>
    copyImage(
      {
        from: { store: naru.store, repository, reference: '1' },
        to: { store: remote, repository, tags: ['1'] },
        platform: null,
      },
      never,
    )
  try {
    for (const [repository, lines] of Object.entries(BASES)) {
      const root = join(naru.folder, `base-${repository}`)
      await mkdir(root)
      await writeTree(root, { Dockerfile: `${lines.join('\n')}\n` })
      await naru.run({ root, destination: { store: naru.store, repository, tags: ['1'] } })
      await copy(repository)
    }
  } finally {
    remote.close()
  }
}

interface Around {
  readonly buildkit: Buildkit
  readonly host: string
  readonly naru: TestBuild
  readonly folder: string
}

type Outcome = { readonly facts: ImageFacts } | { readonly refusal: string }

async function judge(one: DockerfileCase, around: Around): Promise<Verdict> {
  const { folder } = around
  const root = join(folder, 'context')
  await mkdir(root, { recursive: true })
  await writeContext(root, { ...one.files, Dockerfile: dockerfileText(one) })
  for (const [id, value] of Object.entries(one.secrets ?? {})) await writeFile(join(folder, `secret-${id}`), value)
  const [ours, theirs] = await Promise.all([byNaru(one, around, root), byBuildkit(one, around, root)])
  await rm(folder, { recursive: true, force: true })
  return verdict(one, ours, theirs)
}

const differs = (...lines: readonly string[]): Verdict => ({ kind: 'differs', lines })

const refusedBy = (name: string, outcome: Outcome): string =>
  'refusal' in outcome ? `${name} refuses it: ${outcome.refusal}` : `${name} builds it`

/** Both refuse it: whether Naru does for the reason that is meant. */
function refusal(reason: true | string, ours: { readonly refusal: string }): Verdict {
  if (reason === true || ours.refusal.includes(reason)) return { kind: 'same' }
  return differs(`does not say ${reason}`, refusedBy('naru', ours))
}

function verdict(one: DockerfileCase, ours: Outcome, theirs: Outcome): Verdict {
  if (one.notYet !== undefined) {
    return 'refusal' in ours
      ? { kind: 'not yet', reason: one.notYet }
      : differs(`is marked "${one.notYet}", but ${refusedBy('naru', ours)}`)
  }
  const { onlyBuildkit, onlyNaru } = one
  if (onlyBuildkit !== undefined && 'refusal' in ours && 'facts' in theirs) return { kind: 'same' }
  if (onlyNaru !== undefined && 'facts' in ours && 'refusal' in theirs) return { kind: 'same' }
  if (
    onlyBuildkit === undefined &&
    onlyNaru === undefined &&
    'facts' in ours &&
    'facts' in theirs &&
    one.refused === undefined
  ) {
    const found = differences(ours.facts, theirs.facts, one.except)
    return found.length === 0 ? { kind: 'same' } : differs(...found)
  }
  if (one.refused !== undefined && 'refusal' in ours && 'refusal' in theirs) return refusal(one.refused, ours)
  return differs(refusedBy('naru', ours), refusedBy('buildkit', theirs))
}

async function byNaru(one: DockerfileCase, { naru, folder }: Around, root: string): Promise<Outcome> {
  const layout = join(folder, 'naru')
  try {
    const { args = {}, target = null, secrets = {} } = one
    const store = await OciLayout.open(layout)
    await naru.run({ root, args, target, secrets, destination: { store, repository: 'case', tags: ['1'] } })
    return { facts: await readFacts(layout, join(folder, 'root-naru'), one.times) }
  } catch (failed) {
    if (!(failed instanceof DeployError)) throw failed
    return { refusal: failed.message }
  }
}

async function byBuildkit(one: DockerfileCase, around: Around, root: string): Promise<Outcome> {
  const { buildkit, host, folder } = around
  const layout = join(folder, 'buildkit')
  const archive = `${layout}.tar`
  const bases = Object.keys(BASES).map((name) => `${name}:1=docker-image://${host}/${name}:1`)
  const options = [
    ...bases.flatMap((base) => ['--build-context', base]),
    ...Object.entries(one.args ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...Object.keys(one.secrets ?? {}).flatMap((id) => ['--secret', `id=${id},src=${join(folder, `secret-${id}`)}`]),
    ...(one.target === undefined ? [] : ['--target', one.target]),
  ]
  const output = `type=oci,name=case:1,dest=${archive}`
  try {
    await buildkit.docker(['buildx', 'build', '--progress=plain', '--network=host', ...options, '-o', output, root])
  } catch (failed) {
    if (!(failed instanceof CallFailed)) throw failed
    return { refusal: failed.output.split('\n').findLast((line) => line.startsWith('ERROR')) ?? failed.output }
  }
  await mkdir(layout)
  await call('tar', ['-xf', archive, '-C', layout])
  return { facts: await readFacts(layout, join(folder, 'root-buildkit'), one.times) }
}

async function writeContext(root: string, files: Readonly<Record<string, ContextFile>>): Promise<void> {
  for (const [name, file] of Object.entries(files)) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true })
    if (typeof file === 'object' && 'link' in file) await symlink(file.link, path)
    else await writeContextFile(path, typeof file === 'string' ? { bytes: Buffer.from(file) } : file)
  }
}

async function writeContextFile(path: string, file: Exclude<ContextFile, string | { link: string }>): Promise<void> {
  await writeFile(path, 'run' in file ? file.run : file.bytes)
  await chmod(path, 'run' in file ? 0o755 : 0o644)
}
