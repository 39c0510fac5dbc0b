// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of naru.yaml
import { describe, expect, it } from 'vitest'
import type { App } from '../model/app.ts'
import { envFilesOf, type ResolvedApp } from './resolve-app.ts'
import { originText } from './resolve/settings.ts'
import { readAppFile } from './read-app-file.ts'
import { refusal, resolveText } from './testing.ts'

const app = (rest: string, more: Parameters<typeof resolveText>[1] = {}): App =>
  resolveText(`app: shop\n${rest}`, more).app
const web = (rest: string) => app(rest).roles.find(({ name }) => name === 'web')

describe('defaults', () => {
  it('fills in every one of design.md section 3', () => {
    expect(app('')).toEqual({
      app: 'shop',
      environment: 'local',
      engine: { kind: 'embedded' },
      source: { kind: 'git', url: null, ref: null, folder: '', submodules: false },
      build: {
        context: '.',
        dockerfile: 'Dockerfile',
        target: null,
        args: {},
        secrets: [],
        contexts: {},
        run: null,
        runEnv: [],
        artifact: null,
        compression: 'gzip',
        unpack: {},
        runLimits: { memoryBytes: null, cpuMilli: null, timeoutMs: null },
        ca: null,
        split: null,
        platforms: [],
        with: 'naru',
        watch: [],
      },
      image: null,
      migrate: null,
      env: {},
      secrets: [],
      roles: [
        {
          name: 'web',
          run: null,
          port: 'image',
          replicas: 1,
          env: {},
          resources: { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: null },
          readiness: 'image',
          startupSeconds: 60,
          terminationGracePeriodSeconds: 30,
        },
      ],
      routes: [{ role: 'web', listen: { host: '127.0.0.1', port: 'role' }, host: null, path: '/', tls: null }],
      rollout: {
        strategy: 'RollingUpdate',
        maxSurge: '25%',
        maxUnavailable: 0,
        minReadySeconds: 0,
        progressDeadlineSeconds: 120,
        terminationGracePeriodSeconds: 30,
        drainSeconds: 0,
        revisionHistoryLimit: 10,
        onFailure: 'rollback',
        startRetries: 1,
      },
      receipt: { path: null, rate: 5 },
    } satisfies App)
  })

  it.each([
    ['embedded', 0, 0],
    ['docker', 0, 30],
    ['kubernetes', 5, 30],
    ['tomcat', 0, 0],
  ])('on %s waits %i s for ready and %i s for requests', (engine, minReadySeconds, drainSeconds) => {
    expect(app(`engine: ${engine}`).rollout).toMatchObject({ minReadySeconds, drainSeconds })
  })
})

describe('roles', () => {
  it('takes the keys of a role at the top level as those of web', () => {
    const role = web(
      'port: 3000\nreplicas: 4\nrun: ./serve --fast\nresources: { cpu: 0.5 }\nterminationGracePeriodSeconds: 5',
    )
    expect(role).toMatchObject({
      port: 3000,
      replicas: 4,
      run: ['./serve', '--fast'],
      terminationGracePeriodSeconds: 5,
    })
    expect(role?.resources.cpuRequestMilli).toBe(500)
  })
  it('takes a role with nothing behind its name as one with every default', () => {
    expect(app('roles:\n  web:\n  worker:').roles.map(({ name, port }) => [name, port])).toEqual([
      ['web', 'image'],
      ['worker', null],
    ])
  })
  it('gives a port to roles that a route names, and to no others', () => {
    const { roles } = app('roles: { web: {}, api: {}, job: {} }\nroutes: [{}, { role: api, listen: 81 }]')
    expect(roles.map(({ port }) => port)).toEqual(['image', 'image', null])
  })
  it('takes memory as request and limit and cpu as a request only; requests and limits override', () => {
    expect(web('resources: { cpu: 500m, memory: 1Gi }')?.resources).toEqual({
      cpuRequestMilli: 500,
      cpuLimitMilli: null,
      memoryRequestBytes: 2 ** 30,
      memoryLimitBytes: 2 ** 30,
    })
    expect(
      web('resources: { memory: 1Gi, requests: { memory: 512Mi, cpu: 1 }, limits: { cpu: 2 } }')?.resources,
    ).toEqual({
      cpuRequestMilli: 1000,
      cpuLimitMilli: 2000,
      memoryRequestBytes: 2 ** 29,
      memoryLimitBytes: 2 ** 30,
    })
  })
  it.each([
    [
      'a path',
      '{ path: /up, host: a.b, expect: 204 }',
      { kind: 'http', path: '/up', port: null, host: 'a.b', expect: [204] },
    ],
    ['a connect', '{ tcp: true }', { kind: 'tcp', port: null }],
    ['a connect to a port', '{ tcp: 9000 }', { kind: 'tcp', port: 9000 }],
    ['a connect to a port of its own key', '{ tcp: true, port: 9000 }', { kind: 'tcp', port: 9000 }],
    ['a command', '{ run: [./check, 1] }', { kind: 'run', command: ['./check', '1'] }],
  ])('reads readiness by %s', (_name, check, expected) => {
    expect(web(`health: { readiness: ${check} }`)?.readiness).toEqual(expected)
  })
  it('applies the readiness of the app to roles with a port only, unless it is a command', () => {
    const roles = 'roles: { web: {}, job: {} }'
    expect(app(`${roles}\nhealth: { readiness: { path: /up } }`).roles[1]?.readiness).toBe('image')
    expect(app(`${roles}\nhealth: { readiness: { run: ./ok } }`).roles[1]?.readiness).toEqual({
      kind: 'run',
      command: ['./ok'],
    })
  })
  it('takes grace and start-up of the role, else of the app', () => {
    const { roles } = app(
      'rollout: { terminationGracePeriodSeconds: 7 }\nhealth: { startup: 9 }\nroles: { web: {}, job: { terminationGracePeriodSeconds: 600, health: { startup: 5 } } }',
    )
    expect(roles.map((role) => [role.terminationGracePeriodSeconds, role.startupSeconds])).toEqual([
      [7, 9],
      [600, 5],
    ])
  })
})

describe('values', () => {
  it('keeps numbers and words of env as they are written', () => {
    expect(app('env: { A: 1.10, B: 007, C: true, D: 1e3, E: yes, F: "" }').env).toEqual({
      A: '1.10',
      B: '007',
      C: 'true',
      D: '1e3',
      E: 'yes',
      F: '',
    })
  })
  it('reads a variable as a number where a number is expected, in quotes or not', () => {
    const variables = { N: '4', ON: 'true', PORT: '81' }
    const text =
      'replicas: "${N}"\nrollout: { maxSurge: "${N}", minReadySeconds: "${NONE:-3}" }\nsource: { submodules: "${ON}", ref: "${N}" }\nroutes: [{ listen: "${PORT}" }]\nenv: { A: "${N}" }'
    const resolved = app(text, { variables })
    expect(resolved.roles[0]?.replicas).toBe(4)
    expect(resolved.rollout).toMatchObject({ maxSurge: 4, minReadySeconds: 3 })
    expect(resolved.source).toMatchObject({ submodules: true, ref: '4' })
    expect(resolved.routes[0]?.listen).toEqual({ host: '127.0.0.1', port: 81 })
    expect(resolved.env).toEqual({ A: '4' })
  })
  it.each([
    ['false', 'receipt: false'],
    ['null', 'receipt: null'],
    ['nothing', 'receipt:'],
    ['null under the environment', 'receipt: { rate: 9 }\nenvironments: { local: { receipt: null } }'],
  ])('measures nothing with receipt: %s', (_name, text) => {
    expect(app(text).receipt).toBeNull()
  })
  it('builds unless only an image is written', () => {
    expect(app('image: a/b:1').build).toBeNull()
    expect(app('image: a/b\nbuild: {}').build).not.toBeNull()
  })
  it('resolves paths of the build from the folder of naru.yaml to the root of the repository', () => {
    const text = 'build: { context: ../.., dockerfile: ./docker/Dockerfile }'
    expect(app(text, { folder: 'services/shop' }).build).toMatchObject({
      context: '.',
      dockerfile: 'services/shop/docker/Dockerfile',
    })
    expect(app('', { folder: 'services/shop' }).build).toMatchObject({
      context: 'services/shop',
      dockerfile: 'services/shop/Dockerfile',
    })
  })
  it('resolves folders of named contexts likewise, and leaves images and repositories as they are written', () => {
    const contexts = { lib: '../lib', own: '.', img: 'docker-image://debian:12', web: 'https://a.example/b.git#main' }
    const written = JSON.stringify({ ...contexts, ssh: 'git@a.example:b.git' })
    expect(app(`build: { contexts: ${written} }`, { folder: 'services/shop' }).build?.contexts).toEqual({
      ...{ ...contexts, ssh: 'git@a.example:b.git' },
      ...{ lib: 'services/lib', own: 'services/shop' },
    })
    expect(app('build: { contexts: { root: . } }').build?.contexts).toEqual({ root: '.' })
    expect(refusal(() => app('build: { contexts: { out: .. } }')).message).toContain('leaves the repository')
  })
  it('takes secrets by name, and as files', () => {
    expect(app('secrets: [A, { name: B, file: /run/b }]').secrets).toEqual([
      { name: 'A', file: null },
      { name: 'B', file: '/run/b' },
    ])
  })
  it('ignores x- keys everywhere, and follows their anchors', () => {
    const text = 'x-base: &base { A: one, B: two }\nenv: { <<: *base, B: three }\nrollout: { x-note: why }'
    expect(app(text).env).toEqual({ A: 'one', B: 'three' })
  })
})

describe('environments', () => {
  const text = `
replicas: 2
env: { A: base, B: base, C: base }
secrets: [ONE]
routes: [{ host: shop.example.com, tls: acme }]
environments:
  local: { routes: null }
  staging: { engine: docker, env: { A: staging, C: null }, secrets: [TWO, THREE], rollout: { maxSurge: 1 } }
  prod: { extends: staging, replicas: 6, env: { B: prod, C: back } }
`
  it('merges maps, replaces lists, removes with null', () => {
    const staging = app(text, { environment: 'staging' })
    expect(staging.env).toEqual({ A: 'staging', B: 'base' })
    expect(staging.secrets.map(({ name }) => name)).toEqual(['TWO', 'THREE'])
    expect(staging.roles[0]?.replicas).toBe(2)
  })
  it('takes another environment first with extends', () => {
    const prod = app(text, { environment: 'prod' })
    expect(prod).toMatchObject({
      engine: { kind: 'docker' },
      env: { A: 'staging', B: 'prod', C: 'back' },
      rollout: { maxSurge: 1 },
    })
    expect(prod.roles[0]?.replicas).toBe(6)
  })
  it('publishes web on its own port where null removed the routes', () => {
    expect(app(text, { environment: 'local' }).routes).toMatchObject([
      { role: 'web', host: null, listen: { port: 'role' } },
    ])
  })
  it('publishes nothing with an empty list', () => {
    expect(app('routes: []').routes).toEqual([])
  })
  it('merges the two ways to write the role web', () => {
    const both = 'port: 3000\nenvironments: { local: { roles: { web: { replicas: 5 } } } }'
    expect(web(both)).toMatchObject({ port: 3000, replicas: 5 })
    expect(web('roles: { web: { port: 3000 } }\nenvironments: { local: { replicas: 5 } }')).toMatchObject({
      port: 3000,
      replicas: 5,
    })
  })
  it('keeps web when an environment adds a role', () => {
    expect(app('environments: { local: { roles: { job: {} } } }').roles.map(({ name }) => name)).toEqual(['web', 'job'])
  })
  it('removes a role with null under an environment', () => {
    expect(app('roles: { web: {}, job: {} }\nenvironments: { local: { roles: { job: null } } }').roles).toHaveLength(1)
  })
  it('takes an environment with nothing behind its name', () => {
    expect(app('environments:\n  local:\n').environment).toBe('local')
  })
  it('lets an environment heal what the top level leaves open', () => {
    const open = 'env: { A: "${NOPE}" }\nenvironments: { local: { env: { A: set } } }'
    expect(app(open).env).toEqual({ A: 'set' })
  })
  it('refuses a circle of extends and shows it', () => {
    const circle = 'app: a\nenvironments: { a: { extends: b }, b: { extends: c }, c: { extends: a } }'
    expect(refusal(() => resolveText(circle, { environment: 'a' })).message).toContain('a → b → c → a')
  })
})

describe('origins', () => {
  const originsOf = ({ settings }: ResolvedApp) =>
    Object.fromEntries(settings.map(({ key, origin }) => [key, originText(origin)]))
  it('says of each value where it came from', () => {
    const text = 'app: shop\nreplicas: "${N}"\nenv: { A: b }\nenvironments: { prod: { rollout: { maxSurge: 1 } } }'
    expect(originsOf(resolveText(text, { variables: { N: '2' } }))).toMatchObject({
      app: 'naru.yaml:1:6',
      'roles.web.replicas': 'variable N (naru.yaml:2:11)',
      'env.A': 'naru.yaml:3:11',
      'rollout.maxSurge': 'environment prod (naru.yaml:4:46)',
      'rollout.maxUnavailable': 'default',
      'roles.web.port': 'image',
    })
  })
  it('lists the variables that were used, also those with a default', () => {
    const text = 'app: shop\nenv: { A: "${ONE:-${TWO:-x}}", B: "${ONE:-y}" }'
    expect(resolveText(text).variables).toEqual(['ONE', 'TWO'])
  })
  it('does not take a dollar in a value of a variable for a variable', () => {
    const resolved = resolveText('app: shop\nenv: { A: "${ONE}" }', { variables: { ONE: 'a$b${TWO}' } })
    expect(resolved.app.env).toEqual({ A: 'a$b${TWO}' })
    expect(resolved.variables).toEqual(['ONE'])
  })
})

it('names the env files of an environment', () => {
  const file = readAppFile('app: a\nenvFile: .env\nenvironments: { b: { envFile: [c, d] }, e: {} }', 'naru.yaml')
  expect([envFilesOf(file, 'b'), envFilesOf(file, 'e')]).toEqual([['c', 'd'], ['.env']])
})

it('takes a folder without a file as an app of its name', () => {
  const resolved = resolveText('app: x', { front: null, folderName: 'My Shop_2' })
  expect(resolved.app).toMatchObject({ app: 'my-shop-2', environment: 'local', engine: { kind: 'embedded' } })
  expect(resolved.file).toBe('none')
  expect(originText(resolved.settings[0]?.origin ?? { kind: 'default' })).toBe("the folder's name")
  expect(refusal(() => resolveText('app: x', { front: null, folderName: '___' })).code).toBe('NAME_INVALID')
})
