import { describe, expect, it } from 'vitest'
import { appFileJsonSchema } from './json-schema.ts'

type Json = { readonly [key: string]: Json }
const schema = appFileJsonSchema() as unknown as Json
const at = (...path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>((json, key) => json?.[key], schema)

describe('the JSON Schema that naru schema prints', () => {
  it('says what it is', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'naru.yaml',
      type: 'object',
      required: ['app'],
      additionalProperties: false,
    })
    expect(schema.$id).toMatch(/^https:/)
  })
  it('knows every key of design.md section 3', () => {
    expect(Object.keys(at('properties') ?? {}).sort()).toEqual(
      [
        ...[
          'app',
          'apps',
          'source',
          'build',
          'image',
          'migrate',
          'env',
          'envFile',
          'secrets',
          'health',
          'roles',
          'routes',
          'rollout',
        ],
        ...['receipt', 'environments', 'run', 'port', 'replicas', 'resources', 'terminationGracePeriodSeconds'],
        ...['engine', 'hosts', 'context', 'cluster', 'namespace', 'tomcat', 'router'],
      ].sort(),
    )
  })
  it('lets x- keys and nulls stand, and a variable where a number is expected', () => {
    expect(at('patternProperties')).toEqual({ '^x-': {} })
    const rollout = JSON.stringify(at('properties', 'rollout'))
    expect(rollout).toContain('"patternProperties":{"^x-":{}}')
    expect(JSON.stringify(at('properties', 'port'))).toContain('"pattern":"\\\\$\\\\{"')
    expect(JSON.stringify(at('properties', 'routes'))).toContain('{"type":"null"}')
  })
  it('describes the keys, for editors', () => {
    const properties = Object.entries(at('properties') ?? {})
    const silent = properties.filter(([, json]) => typeof json.description !== 'string').map(([key]) => key)
    expect(silent).toEqual([])
  })
})
