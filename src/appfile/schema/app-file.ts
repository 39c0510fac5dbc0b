import { z } from 'zod'
import { roleSchema, healthSchema, roleKeys } from './role-keys.ts'
import { engineKeys } from './engine-keys.ts'
import { buildSchema, sourceSchema } from './build-keys.ts'
import { receiptSchema, rolloutSchema, routeSchema } from './rollout-keys.ts'
import {
  command,
  flag,
  imageReference,
  label,
  relativePath,
  scalar,
  text,
  variableName,
  whole,
  absolutePath,
} from './values.ts'

const secretSchema = z.union(
  [
    variableName,
    z.strictObject({
      name: variableName.describe('Name of the secret'),
      file: absolutePath.optional().describe('Where the program finds it; without: an environment variable'),
    }),
  ],
  { error: 'a name, or { name, file }' },
)

/** Every key but `environments`: each may stand at the top and under an environment. */
const settings = {
  app: label('app').optional().describe('The name of the app'),
  source: sourceSchema.optional(),
  build: buildSchema.optional(),
  image: imageReference.optional().describe('With a build: where the result goes; without: what is run'),
  migrate: z
    .strictObject({
      run: command.optional(),
      timeoutSeconds: whole(1, 86_400, 'whole seconds').optional().describe('Default 600'),
    })
    .optional()
    .describe('Runs once, in the new image, before any replica is replaced'),
  env: z.record(variableName, scalar).optional().describe('Environment variables of every role'),
  envFile: z
    .union([relativePath, z.array(relativePath)], { error: 'a path, or a list of paths' })
    .optional()
    .describe(`Files whose variables \${NAME} may read besides the process environment`),
  secrets: z
    .array(secretSchema, { error: 'a list of names' })
    .optional()
    .describe('Names; values never stand in a file'),
  health: healthSchema.optional().describe('How it is seen that a replica is ready'),
  roles: z.record(label('role'), roleSchema).optional().describe('One kind of process each; without: the role web'),
  ...roleKeys,
  routes: z
    .array(routeSchema, { error: 'a list of routes' })
    .max(500, { error: 'at most 500 routes' })
    .optional()
    .describe('What a client calls'),
  rollout: rolloutSchema.optional(),
  receipt: z
    .union([flag, receiptSchema], { error: '{ path, rate }, or false' })
    .optional()
    .describe('Requests through the real route while it rolls; false: not measured'),
  ...engineKeys,
}

const environmentSchema = z
  .strictObject({ extends: label('environment').optional().describe('Another environment, taken first'), ...settings })
  .describe('Where the app runs, and what is different there')

/** naru.yaml as written (design.md section 3). */
export const appFileSchema = z
  .strictObject({
    ...settings,
    app: label('app').describe('The name of the app'),
    environments: z
      .record(label('environment'), environmentSchema)
      .optional()
      .describe('Named places where the app runs; without: local, on the engine embedded'),
    apps: z
      .array(text('a path'), { error: 'a list of paths' })
      .optional()
      .describe('Folders of further apps (a root file)'),
  })
  .describe('naru.yaml: what is deployed, and where')

/** One environment of it, after its overrides, variables and nulls: what `App` is made from. */
export const mergedSchema = z.strictObject({ ...settings, app: label('app') })

/** naru.yaml as written. */
export type AppFile = z.infer<typeof appFileSchema>
/** One environment of it. */
export type MergedFile = z.infer<typeof mergedSchema>
