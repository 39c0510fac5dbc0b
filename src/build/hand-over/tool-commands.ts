/** Programs that build whole images: `build.with`. */
export type Tool = 'docker' | 'buildah' | 'buildkit'

/** One build for a tool. All paths are absolute. */
export interface ToolBuild {
  readonly context: string
  readonly dockerfile: string
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
  /** Id of each secret and the variable of the tool's environment that has it: a value is never an argument. */
  readonly secrets: readonly { readonly id: string; readonly variable: string }[]
  readonly ssh: Readonly<Record<string, string>>
  /** Named contexts: absolute folders, or what a tool reads as it is (`docker-image://…`, git references). */
  readonly contexts: Readonly<Record<string, string>>
  readonly epochSeconds: number
  /** `linux/arm64`; none: the tool's own choice, this machine. Several: an index comes out. */
  readonly platforms: readonly string[]
  /** Nothing that was built before is taken. */
  readonly fresh: boolean
  /** An empty folder for what comes out. */
  readonly out: string
}

/** What is started, in order. */
export interface ToolCommand {
  readonly program: string
  readonly args: readonly string[]
}

/** What a tool leaves in `out`: an OCI image layout (a folder or a tar), or what `docker save` writes. */
export type ToolResult = { readonly form: 'layout' | 'layout-tar' | 'docker-archive'; readonly path: string }

/** How a tool is asked. `id`: what the first command wrote to the file of the image's id. */
export interface ToolPlan {
  readonly build: ToolCommand
  readonly idFile: string | null
  readonly fetch: (id: string) => ToolCommand | null
  readonly result: ToolResult
}

const each = (names: Readonly<Record<string, string>>, toArgs: (name: string, value: string) => readonly string[]) =>
  Object.entries(names).flatMap(([name, value]) => toArgs(name, value))

/** Args, secrets and ssh as docker and buildah spell them. */
const common = ({
  dockerfile,
  target,
  args,
  secrets,
  ssh,
  contexts,
  platforms,
  fresh,
}: ToolBuild): readonly string[] => [
  `--file=${dockerfile}`,
  ...(fresh ? ['--no-cache'] : []),
  ...(platforms.length === 0 ? [] : [`--platform=${platforms.join(',')}`]),
  ...(target === null ? [] : [`--target=${target}`]),
  ...each(args, (name, value) => ['--build-arg', `${name}=${value}`]),
  ...secrets.flatMap(({ id, variable }) => ['--secret', `id=${id},env=${variable}`]),
  ...each(ssh, (id, socket) => ['--ssh', `${id}=${socket}`]),
  ...each(contexts, (name, from) => ['--build-context', `${name}=${from}`]),
]

/** What a docker has: buildx, and images in the store of containerd (the default since Docker 29). */
export interface DockerTraits {
  readonly hasBuildx: boolean
  readonly hasContainerdStore: boolean
}

/**
 * `docker build`, by BuildKit where docker has buildx, and `docker save`. buildx writes the image itself where there are several
 * platforms, of which docker's own store takes one, and where containerd keeps images: those are not saved by the id that a
 * build tells.
 */
export function dockerPlan(build: ToolBuild, { hasBuildx, hasContainerdStore }: DockerTraits): ToolPlan {
  const { context, out, platforms } = build
  const idFile = `${out}/id`
  const path = `${out}/image.tar`
  const ofBuildx = ['buildx', 'build', '--progress=plain', '--provenance=false']
  if (platforms.length > 1 || (hasBuildx && hasContainerdStore)) {
    const args = [...ofBuildx, ...common(withTime(build)), `--output=type=oci,dest=${path}`, '--', context]
    const result: ToolResult = { form: 'layout-tar', path }
    return { build: { program: 'docker', args }, idFile: null, fetch: () => null, result }
  }
  const begin = hasBuildx ? [...ofBuildx, '--load', ...common(withTime(build))] : ['build', ...common(build)]
  return {
    build: { program: 'docker', args: [...begin, `--iidfile=${idFile}`, '--', context] },
    idFile,
    fetch: (id) => ({ program: 'docker', args: ['save', `--output=${path}`, '--', id] }),
    result: { form: 'docker-archive', path },
  }
}

/** `buildah build` and `buildah push` into an image layout, of one platform. */
export function buildahPlan(build: ToolBuild): ToolPlan {
  const { context, out } = build
  const idFile = `${out}/id`
  const path = `${out}/layout`
  return {
    build: {
      program: 'buildah',
      args: ['build', '--layers', ...common(build), `--iidfile=${idFile}`, '--', context],
    },
    idFile,
    fetch: (id) => ({ program: 'buildah', args: ['push', '--quiet', '--format=oci', '--', id, `oci:${path}:latest`] }),
    result: { form: 'layout', path },
  }
}

/** `buildctl build`, which writes an image layout as a tar. */
export function buildkitPlan(build: ToolBuild): ToolPlan {
  const { context, dockerfile, target, secrets, ssh, contexts, platforms, fresh, out } = build
  const path = `${out}/image.tar`
  const slash = dockerfile.lastIndexOf('/')
  const options = {
    filename: dockerfile.slice(slash + 1),
    ...(target === null ? {} : { target }),
    ...(platforms.length === 0 ? {} : { platform: platforms.join(',') }),
    ...Object.fromEntries(Object.entries(withTime(build).args).map(([name, value]) => [`build-arg:${name}`, value])),
  }
  const args = [
    ...['build', '--progress=plain', '--frontend=dockerfile.v0', ...(fresh ? ['--no-cache'] : [])],
    ...['--local', `context=${context}`, '--local', `dockerfile=${dockerfile.slice(0, slash)}`],
    ...each(options, (name, value) => ['--opt', `${name}=${value}`]),
    ...secrets.flatMap(({ id, variable }) => ['--secret', `id=${id},env=${variable}`]),
    ...each(ssh, (id, socket) => ['--ssh', `${id}=${socket}`]),
    ...each(contexts, (name, from) =>
      from.startsWith('/')
        ? ['--local', `${name}=${from}`, '--opt', `context:${name}=local:${name}`]
        : ['--opt', `context:${name}=${from}`],
    ),
    ...['--output', `type=oci,dest=${path}`],
  ]
  return {
    build: { program: 'buildctl', args },
    idFile: null,
    fetch: () => null,
    result: { form: 'layout-tar', path },
  }
}

/** BuildKit takes the image's time from this argument. */
const withTime = (build: ToolBuild): ToolBuild => ({
  ...build,
  args: { SOURCE_DATE_EPOCH: String(build.epochSeconds), ...build.args },
})
