import { expect, it } from 'vitest'
import { refuseKeys } from './gate.ts'
import { refusal, resolveText } from './testing.ts'

const REFUSES = [
  { key: 'routes[].host', hint: 'Remove host: this router does not read HTTP.' },
  { key: 'routes[].path', hint: 'Remove path.' },
  { key: 'rollout.strategy: Canary', hint: 'Write RollingUpdate.' },
  { key: 'roles.*.port', hint: 'Remove port.' },
  { key: 'receipt.rate', hint: 'Remove rate.' },
]
const gate = (text: string) => refuseKeys(resolveText(`app: shop\n${text}`).written, REFUSES, 'the engine embedded')

it.each([
  [
    'a key of a list item',
    'routes: [{}, { listen: 81, host: a.b }]',
    'naru.yaml:2:28: routes[1].host is not supported by the engine embedded',
    'does not read HTTP',
  ],
  [
    'a key with a value',
    'rollout: { strategy: Canary }',
    'naru.yaml:2:12: rollout.strategy: Canary is not supported',
    'Write RollingUpdate.',
  ],
  [
    'a key of any role',
    'roles: { web: {}, api: { port: 81 } }',
    'naru.yaml:2:26: roles.api.port is not supported',
    'Remove port.',
  ],
  ['a key of web at the top level', 'port: 80', 'naru.yaml:2:1: roles.web.port is not supported', 'Remove port.'],
  [
    'a key under the environment',
    'environments: { local: { receipt: { rate: 1 } } }',
    'naru.yaml:2:37: receipt.rate is not supported',
    'Remove rate.',
  ],
])('refuses %s by name, with its place and what to do', (_name, text, message, hint) => {
  const error = refusal(() => gate(text))
  expect(error).toMatchObject({
    code: 'KEY_NOT_SUPPORTED',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  })
})

it.each([
  ['a default', ''],
  ['another value', 'rollout: { strategy: Recreate }'],
  ['a key that null removed', 'routes: [{ host: a.b }]\nenvironments: { local: { routes: null } }'],
  ['a value that says no more than its default', 'routes: [{ path: / }]'],
  ['a list without items', 'build: { secrets: [] }'],
  ['limits, which a machine may not be able to hold', 'resources: { memory: 1Gi, limits: { cpu: 1 } }'],
])('does not refuse %s', (_name, text) => {
  expect(() => gate(text)).not.toThrow()
})

it('names every key at once', () => {
  const error = refusal(() => gate('port: 80\nroutes: [{ host: a.b }]'))
  expect(`${error.message} ${error.hint}`).toMatch(/roles\.web\.port[\s\S]*routes\[0\]\.host/)
  expect(error.detail.problems).toBe(2)
})
