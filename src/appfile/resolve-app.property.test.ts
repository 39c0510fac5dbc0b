// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of naru.yaml
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DeployError } from '../model/failure.ts'
import { environmentNames } from './merge-environment.ts'
import { readAppFile } from './read-app-file.ts'
import { resolveApp } from './resolve-app.ts'
import { appFileSchema } from './schema/app-file.ts'
import { knownKeys } from './schema/known-keys.ts'

const SECRET = 'hunter2-canary'

// Keys of the schema with values that are near to right ones: most files are refused, and some are apps.
const scalar = fc.constantFrom<unknown>(
  ...[
    'web',
    '25%',
    '/',
    '512Mi',
    '500m',
    'a b',
    '-x',
    '${S}',
    '${S',
    '$$',
    '127.0.0.1:80',
    'shop',
    'docker',
    'RollingUpdate',
  ],
  ...[0, 1, 3, 8080, 70_000, -1, 1.5, true, false, null, ''],
)
const keys = fc.constantFrom(
  ...knownKeys(appFileSchema, []),
  ...[
    'web',
    'job',
    'local',
    'path',
    'tcp',
    'min',
    'max',
    'perHost',
    'readiness',
    'maxSurge',
    'role',
    'listen',
    'extends',
    'x-y',
    'toString',
  ],
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
  ),
}))
const file = fc
  .record({ app: fc.constant('shop') })
  .chain((app) => fc.dictionary(keys, tree, { maxKeys: 5 }).map((rest) => ({ ...rest, ...app })))

it('resolves any file to an app that keeps the rules, or refuses it with a DeployError that shows no value of a variable', {
  timeout: 120_000,
}, () => {
  let resolved = 0
  fc.assert(
    fc.property(file, (written) => {
      try {
        const front = readAppFile(JSON.stringify(written), 'naru.yaml')
        const [environment] = environmentNames(front.root)
        const { app } = resolveApp({ front, environment, variables: { S: SECRET }, folderName: 'x' })
        resolved += 1
        const names = app.roles.map(({ name }) => name)
        expect(app.routes.every(({ role }) => names.includes(role))).toBe(true)
        expect(app.roles.every(({ port }) => port === null || port === 'image' || (port >= 1 && port <= 65_535))).toBe(
          true,
        )
        expect(app.rollout.progressDeadlineSeconds).toBeGreaterThan(app.rollout.minReadySeconds)
      } catch (error) {
        if (!(error instanceof DeployError)) throw error
        expect(`${error.message} ${error.hint} ${JSON.stringify(error.detail)}`).not.toContain(SECRET)
      }
    }),
    { numRuns: 3000 },
  )
  expect(resolved).toBeGreaterThan(20)
})
