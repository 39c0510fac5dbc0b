import { z } from 'zod'
import { appFileSchema } from './app-file.ts'

type Json = Readonly<Record<string, unknown>>

/** Where the schema of naru.yaml is known to editors. */
const SCHEMA_ID = 'https://naru.dev/schema/naru.yaml.json'

/** The JSON Schema of naru.yaml (draft 2020-12), for editors: what `naru schema` prints. */
export function appFileJsonSchema(): Json {
  const schema = z.toJSONSchema(appFileSchema, { io: 'input', override: ({ jsonSchema }) => asWritten(jsonSchema) })
  return { ...schema, $id: SCHEMA_ID, title: 'naru.yaml' }
}

const FROM_VARIABLE: readonly unknown[] = ['integer', 'number', 'boolean']

/** What is true of every key in a file, and of no value in the program: variables, null, `x-*`. */
function asWritten(schema: z.core.JSONSchema.BaseSchema): void {
  if (FROM_VARIABLE.includes(schema.type) || schema.enum !== undefined) orVariable(schema)
  if (schema.type !== 'object' || schema.properties === undefined) return
  schema.patternProperties = { '^x-': {} }
  const required = new Set(schema.required)
  for (const [key, inner] of Object.entries(schema.properties))
    if (!required.has(key) && typeof inner === 'object') schema.properties[key] = orNull(inner)
}

function orNull(schema: z.core.JSONSchema.BaseSchema): z.core.JSONSchema.BaseSchema {
  const { description, ...rest } = schema
  const either = { anyOf: [...(rest.anyOf ?? [rest]), { type: 'null' as const }] }
  return description === undefined ? either : { description, ...either }
}

/** In place, as the library wants it: the schema, or a text with a variable. */
function orVariable(schema: z.core.JSONSchema.BaseSchema): void {
  const { description, ...rest } = schema
  for (const key of Object.keys(rest)) delete schema[key]
  schema.anyOf = [rest, { type: 'string', pattern: '\\$\\{' }]
}
