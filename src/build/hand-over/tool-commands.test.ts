import { describe, expect, it } from 'vitest'
import { buildahPlan, buildkitPlan, dockerPlan, type ToolBuild } from './tool-commands.ts'

const BUILD: ToolBuild = {
  context: '/w/app',
  dockerfile: '/w/app/docker/Dockerfile.prod',
  target: 'run',
  args: { A: 'x y', SOURCE_DATE_EPOCH: '7' },
  secrets: [{ id: 'npm', variable: 'NARU_SECRET_0' }],
  ssh: { default: '/run/agent' },
  contexts: {},
  platforms: [],
  fresh: false,
  epochSeconds: 1_700_000_000,
  out: '/out',
}

const BUILDX = { hasBuildx: true, hasContainerdStore: false }
const OLD = { hasBuildx: false, hasContainerdStore: false }

describe('what a tool is started with', () => {
  it('is not asked to save by an id that the store of containerd does not know', () => {
    const plan = dockerPlan(BUILD, { hasBuildx: true, hasContainerdStore: true })
    expect([plan.result.form, plan.fetch('sha256:1'), plan.idFile]).toEqual(['layout-tar', null, null])
  })

  it('docker with buildx', () => {
    const { build, fetch } = dockerPlan(BUILD, BUILDX)
    expect(build.args.join(' ')).toBe(
      'buildx build --progress=plain --provenance=false --load --file=/w/app/docker/Dockerfile.prod --target=run ' +
        '--build-arg SOURCE_DATE_EPOCH=7 --build-arg A=x y --secret id=npm,env=NARU_SECRET_0 --ssh default=/run/agent ' +
        '--iidfile=/out/id -- /w/app',
    )
    expect(fetch('sha256:1')).toEqual({
      program: 'docker',
      args: ['save', '--output=/out/image.tar', '--', 'sha256:1'],
    })
  })

  it.each([
    ['docker', '--build-context lib=/w/lib --build-context img=docker-image://a:1'],
    ['buildctl', '--local lib=/w/lib --opt context:lib=local:lib --opt context:img=docker-image://a:1'],
  ])('named contexts for %s', (program, expected) => {
    const build = { ...BUILD, contexts: { lib: '/w/lib', img: 'docker-image://a:1' } }
    const plan = program === 'docker' ? dockerPlan(build, BUILDX) : buildkitPlan(build)
    expect(plan.build.args.join(' ')).toContain(expected)
  })

  it.each([
    ['docker', '--platform=linux/amd64,linux/arm64', '--output=type=oci,dest=/out/image.tar -- /w/app'],
    ['buildctl', '--opt platform=linux/amd64,linux/arm64', '--output type=oci,dest=/out/image.tar'],
  ])('several platforms for %s', (program, asked, end) => {
    const build = { ...BUILD, platforms: ['linux/amd64', 'linux/arm64'] }
    const plan = program === 'docker' ? dockerPlan(build, BUILDX) : buildkitPlan(build)
    expect(plan.build.args.join(' ')).toContain(asked)
    expect(plan.build.args.join(' ').endsWith(end)).toBe(true)
    expect(plan.idFile).toBeNull()
  })

  it.each([
    ['docker', dockerPlan({ ...BUILD, fresh: true }, BUILDX)],
    ['docker', dockerPlan({ ...BUILD, fresh: true, platforms: ['linux/amd64', 'linux/arm64'] }, BUILDX)],
    ['docker', dockerPlan({ ...BUILD, fresh: true }, OLD)],
    ['buildah', buildahPlan({ ...BUILD, fresh: true })],
    ['buildctl', buildkitPlan({ ...BUILD, fresh: true })],
  ])('%s with nothing of earlier builds', (program, { build }) => {
    expect(build.program).toBe(program)
    expect(build.args).toContain('--no-cache')
  })

  it('docker without buildx', () => {
    expect(dockerPlan({ ...BUILD, secrets: [], ssh: {} }, OLD).build.args.join(' ')).toBe(
      'build --file=/w/app/docker/Dockerfile.prod --target=run --build-arg A=x y --build-arg SOURCE_DATE_EPOCH=7 --iidfile=/out/id -- /w/app',
    )
  })

  it('buildah', () => {
    const { build, fetch } = buildahPlan({ ...BUILD, target: null, args: {} })
    expect(build.args.join(' ')).toBe(
      'build --layers --file=/w/app/docker/Dockerfile.prod --secret id=npm,env=NARU_SECRET_0 --ssh default=/run/agent --iidfile=/out/id -- /w/app',
    )
    expect(fetch('1')?.args.at(-1)).toBe('oci:/out/layout:latest')
  })

  it('buildctl', () => {
    expect(buildkitPlan({ ...BUILD, args: { A: '1' } }).build.args.join(' ')).toBe(
      'build --progress=plain --frontend=dockerfile.v0 --local context=/w/app --local dockerfile=/w/app/docker ' +
        '--opt filename=Dockerfile.prod --opt target=run --opt build-arg:SOURCE_DATE_EPOCH=1700000000 --opt build-arg:A=1 ' +
        '--secret id=npm,env=NARU_SECRET_0 --ssh default=/run/agent --output type=oci,dest=/out/image.tar',
    )
  })
})
