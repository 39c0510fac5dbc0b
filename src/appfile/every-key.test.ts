import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { embeddedTraits } from '../engines/embedded/embedded-traits.ts'
import { refuseKeys, refuseOtherEngine } from './gate.ts'
import { appFileSchema } from './schema/app-file.ts'
import { roleKeys } from './schema/role-keys.ts'
import { refusal, resolveText } from './testing.ts'

/**
 * What each key of naru.yaml does on the engine embedded. A key that does nothing is a lie to its reader: it must be refused by name.
 *
 * `by`, `as`: the folder of src that honours it, and the words by which it does. `refused`: a file that is refused for it, under `app: shop`.
 * `noEffect`: why it may stand here without an effect.
 */
type Fate = { readonly by: string; readonly as: RegExp } | { readonly refused: string } | { readonly noEffect: string }

const by =
  (folder: string) =>
  (as: RegExp): Fate => ({ by: folder, as })
const appfile = by('appfile')
const source = by('source')
const build = by('build')
const probe = by('probe')
const plan = by('plan')
const deploy = by('deploy')
const embedded = by('engines/embedded')

const FATES: Readonly<Record<string, Fate>> = {
  app: appfile(/app: file\.app/),
  apps: { refused: 'apps: [services/*]' },
  'environments.*.extends': appfile(/extends/),
  engine: { refused: 'engine: docker' },
  envFile: { by: 'cli', as: /envFilesOf/ },

  'source.git': source(/\burl\b/),
  'source.svn': { refused: 'source: { svn: "https://a.example/svn" }' },
  'source.ref': source(/\bref\b/),
  'source.folder': appfile(/joinPath\(folder/),
  'source.submodules': source(/submodules/),

  'build.context': build(/\bcontext\b/),
  'build.dockerfile': build(/\bdockerfile\b/),
  'build.target': build(/\btarget\b/),
  'build.args.*': build(/\bargs\b/),
  'build.secrets': deploy(/build\.secrets/),
  'build.contexts.*': deploy(/build\.contexts/),
  'build.run': build(/\brun\b/),
  'build.runEnv': { by: 'main', as: /runEnv/ },
  'build.artifact': { noEffect: 'names the file that the engine tomcat ships; this engine ships the image' },
  'build.compression': deploy(/build\.compression/),
  'build.unpack.*': deploy(/build\.unpack/),
  'build.runLimits.memory': build(/memoryBytes/),
  'build.runLimits.cpu': build(/cpuMilli/),
  'build.runLimits.timeoutSeconds': build(/runLimits\?\.timeoutMs/),
  'build.ca': build(/ca:/),
  'build.split': build(/'java'/),
  'build.platforms': deploy(/build\.platforms/),
  'build.with': build(/with: asked/),
  'build.watch': {
    noEffect: 'narrows deploy --changed-since, which comes with root files; every other deploy takes the app',
  },
  image: deploy(/app\.image/),

  'migrate.run': embedded(/\brun\b/),
  'migrate.timeoutSeconds': embedded(/timeoutSeconds/),
  'env.*': embedded(/settings\.env/),
  'secrets[]': embedded(/secret/i),
  'secrets[].name': embedded(/secret/i),
  'secrets[].file': embedded(/file/),

  'health.readiness.path': probe(/check\.path/),
  'health.readiness.tcp': probe(/'tcp'/),
  'health.readiness.run': embedded(/'run'/),
  'health.readiness.port': probe(/check\.port/),
  'health.readiness.host': probe(/check\.host/),
  'health.readiness.expect': probe(/expect/),
  'health.startup': plan(/startupSeconds|health\.startup/),
  'health.liveness': { refused: 'health: { liveness: { path: / } }' },

  'roles.*.run': embedded(/\brun\b/),
  'roles.*.port': appfile(/role\.port/),
  'roles.*.replicas': plan(/replicas/),
  'roles.*.replicas.perHost': { refused: 'replicas: { perHost: 1 }' },
  'roles.*.replicas.min': { refused: 'replicas: { min: 1, max: 2 }' },
  'roles.*.replicas.max': { refused: 'replicas: { min: 1, max: 2 }' },
  'roles.*.replicas.cpu': { refused: 'replicas: { min: 1, max: 2, cpu: 50% }' },
  'roles.*.resources.cpu': embedded(/cpuRequestMilli/),
  'roles.*.resources.memory': embedded(/memoryLimitBytes/),
  'roles.*.resources.requests.cpu': embedded(/cpuRequestMilli/),
  'roles.*.resources.requests.memory': { noEffect: 'chooses the host of a replica; this engine is one host' },
  'roles.*.resources.limits.cpu': embedded(/cpuLimitMilli/),
  'roles.*.resources.limits.memory': embedded(/memoryLimitBytes/),
  'roles.*.terminationGracePeriodSeconds': plan(/terminationGracePeriodSeconds/),
  'roles.*.env.*': embedded(/role\??\.env/),
  'roles.*.health.startup': plan(/startupSeconds|health\.startup/),
  'roles.*.health.liveness': { refused: 'roles: { web: { health: { liveness: { path: / } } } }' },
  'roles.*.hosts': { refused: 'roles: { web: { hosts: [a] } }' },

  'routes[].role': deploy(/route\.role/),
  'routes[].listen': deploy(/route\.listen/),
  'routes[].host': { refused: 'routes: [{ host: a.example }]' },
  'routes[].path': { refused: 'routes: [{ path: /a }]' },
  'routes[].tls': { refused: 'routes: [{ tls: wildcard }]' },

  'rollout.strategy': plan(/Recreate|strategy/),
  'rollout.maxSurge': plan(/maxSurge/),
  'rollout.maxUnavailable': plan(/maxUnavailable/),
  'rollout.minReadySeconds': plan(/minReady/),
  'rollout.progressDeadlineSeconds': plan(/progressDeadline/),
  'rollout.terminationGracePeriodSeconds': appfile(/rollout\?\.terminationGracePeriodSeconds/),
  'rollout.drainSeconds': plan(/drainSeconds/),
  'rollout.revisionHistoryLimit': plan(/limit/i),
  'rollout.onFailure': plan(/onFailure/),
  'rollout.startRetries': plan(/startRetries/),
  receipt: appfile(/receipt === false/),
  'receipt.path': deploy(/receipt\.path/),
  'receipt.rate': deploy(/receipt\.rate/),

  'hosts[]': { refused: 'hosts: [ssh://a@b]' },
  'hosts[].ssh': { refused: 'hosts: [{ ssh: a@b }]' },
  'hosts[].port': { refused: 'hosts: [{ ssh: a@b, port: 22 }]' },
  'hosts[].tomcats': { refused: 'hosts: [{ ssh: a@b, tomcats: [/a] }]' },
  context: { refused: 'context: prod' },
  cluster: { refused: 'cluster: "https://a:6443"' },
  namespace: { refused: 'namespace: shop' },
  'tomcat.context': { refused: 'tomcat: { context: /shop }' },
  'tomcat.mode': { refused: 'tomcat: { mode: rolling }' },
  'tomcat.sessionSeconds': { refused: 'tomcat: { sessionSeconds: 1 }' },
  'router.haproxy': { refused: 'router: { haproxy: "10.0.1.2:9999" }' },
  'router.healthFile': { refused: 'router: { healthFile: /a }' },
  'router.mod_jk': { refused: 'router: { mod_jk: a }' },
  'router.mod_jk.url': { refused: 'router: { mod_jk: { url: a, worker: b } }' },
  'router.mod_jk.worker': { refused: 'router: { mod_jk: { url: a, worker: b } }' },
  'router.hooks.withdraw': { refused: 'router: { hooks: { withdraw: a, restore: b } }' },
  'router.hooks.restore': { refused: 'router: { hooks: { withdraw: a, restore: b } }' },
}

/** Every place of the schema that may hold a value: `roles.*.port`, `routes[].host`, `env.*`. */
function places(schema: z.core.$ZodType, path: string): readonly string[] {
  if (schema instanceof z.ZodOptional) return places(schema.unwrap(), path)
  if (schema instanceof z.ZodRecord) return places(schema.valueType, `${path}.*`)
  if (schema instanceof z.ZodArray) return takesMaps(schema.element) ? places(schema.element, `${path}[]`) : [path]
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => places(option, path))
  if (!(schema instanceof z.ZodObject)) return [path]
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape
  return Object.entries(shape).flatMap(([key, inner]) => places(inner, path === '' ? key : `${path}.${key}`))
}

const takesMaps = (schema: z.core.$ZodType): boolean => places(schema, '').some((place) => place !== '')

/** `environments.*.env` is `env`, `port` is `roles.*.port`, and what one check takes every check takes. */
const plainly = (place: string): string =>
  place
    .replace(/^environments\.\*\.(?!extends$)/, '')
    .replace(new RegExp(`^(?=(?:${Object.keys(roleKeys).join('|')})(?:[.]|$))`), 'roles.*.')
    .replace(/health\.liveness\..*/, 'health.liveness')
    .replace(/^roles\.\*\.(?=health\.readiness\.)/, '')

const PLACES = [...new Set(places(appFileSchema, '').map(plainly))].sort()

/** The sources of a folder of src, but for its tests. */
function textOf(folder: string): string {
  const root = join(import.meta.dirname, '..', folder)
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  const sources = names.filter((name) => name.endsWith('.ts') && !/(?:[.]test|[.]contract|testing)[.]ts$/.test(name))
  return sources.map((name) => readFileSync(join(root, name), 'utf8')).join('\n')
}

it('is in the table, and no other is', () => {
  expect(Object.keys(FATES).sort()).toEqual(PLACES)
})

it.each(Object.entries(FATES))('%s is honoured, or refused by name', (key, fate) => {
  if ('by' in fate) expect(textOf(fate.by)).toMatch(fate.as)
  if (!('refused' in fate)) return
  const error = refusal(() => {
    const { written, app } = resolveText(`app: shop\n${fate.refused}`)
    refuseOtherEngine(written, app.engine.kind, 'embedded')
    refuseKeys(written, embeddedTraits([]).refuses, 'the engine embedded')
  })
  expect(error.code).toBe('KEY_NOT_SUPPORTED')
  const names = key.match(/\w+/g)?.filter((name) => !['roles', 'routes'].includes(name)) ?? []
  expect(names.some((name) => error.message.includes(name))).toBe(true)
})
