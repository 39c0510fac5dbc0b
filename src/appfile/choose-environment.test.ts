import { expect, it } from 'vitest'
import { chooseEnvironment } from './choose-environment.ts'
import { environmentNames } from './merge-environment.ts'
import { refusal } from './testing.ts'
import { readYaml } from './tree/read-yaml.ts'

it.each([
  ['the flag', ['a', 'b'], 'b', { NARU_ENVIRONMENT: 'a' }, 'b'],
  ['else the variable', ['a', 'b'], undefined, { NARU_ENVIRONMENT: 'b' }, 'b'],
  ['else the only one', ['a'], undefined, {}, 'a'],
  ['the only one when the variable is empty', ['a'], undefined, { NARU_ENVIRONMENT: '' }, 'a'],
] as const)('takes %s', (_name, names, flag, variables, expected) => {
  expect(chooseEnvironment(names, flag, variables)).toBe(expected)
})

it.each([
  [
    'asks when there are several',
    ['a', 'b'],
    undefined,
    {},
    'ENVIRONMENT_REQUIRED',
    'naru.yaml has 2 environments: a, b',
    '-e NAME',
  ],
  [
    'names the nearest',
    ['staging', 'prod'],
    'pord',
    {},
    'ENVIRONMENT_UNKNOWN',
    '-e names "pord"',
    'Did you mean prod?',
  ],
  [
    'lists them when none is near',
    ['staging', 'prod'],
    'xyzzyxyzzy'.slice(0, 5),
    {},
    'ENVIRONMENT_UNKNOWN',
    '"xyzzy"',
    'There are: staging, prod.',
  ],
  [
    'says when it was the variable',
    ['a', 'b'],
    undefined,
    { NARU_ENVIRONMENT: 'zzz' },
    'ENVIRONMENT_UNKNOWN',
    'NARU_ENVIRONMENT names "zzz"',
    '',
  ],
  ['refuses an empty flag', ['a'], '', {}, 'ENVIRONMENT_UNKNOWN', '-e names ""', ''],
  ['refuses a name of every object', ['a', 'b'], 'constructor', {}, 'ENVIRONMENT_UNKNOWN', '"constructor"', ''],
] as const)('%s', (_name, names, flag, variables, code, message, hint) => {
  const error = refusal(() => chooseEnvironment(names, flag, variables))
  expect(error).toMatchObject({ code, message: expect.stringContaining(message), hint: expect.stringContaining(hint) })
})

it.each([
  ['the names in their order', 'environments: { b: {}, a: {} }', ['b', 'a']],
  ['local where there is no key', 'app: x', ['local']],
  ['local where the key is empty', 'environments:', ['local']],
])('knows %s', (_name, text, names) => {
  expect(environmentNames(readYaml(text, 'naru.yaml'))).toEqual(names)
})
