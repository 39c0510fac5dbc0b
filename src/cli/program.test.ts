import { describe, expect, it } from 'vitest'
import { replicasOf } from './changes/scale.ts'
import { COMMANDS } from './command-table.ts'
import { countOf, revisionNumber, rolloutNumber } from './numbers.ts'
import { buildProgram, fillIn } from './program.ts'
import type { GlobalOptions } from './session.ts'
import { globalOptions } from './shared-options.ts'
import { usageError } from './usage-error.ts'

/** The shared options as the command gets them, from arguments as they are typed. */
async function optionsOf(...args: string[]): Promise<GlobalOptions> {
  let found: GlobalOptions | null = null
  const program = buildProgram(async (command) => {
    found = globalOptions(command)
  })
  await program.parseAsync(args, { from: 'user' })
  if (found === null) throw new Error('no command was started')
  return found
}

describe('the shared options', () => {
  it.each([
    [['status'], { environment: null, app: null, noServer: false, json: false, timeoutSeconds: null }],
    [['status', '-e', 'prod'], { environment: 'prod' }],
    [['-e', 'prod', 'status'], { environment: 'prod' }],
    [['-e', 'prod', 'status', '-e', 'dev'], { environment: 'dev' }],
    [['status', '--no-server'], { noServer: true, server: null }],
    [['--server', 'http://a', 'status'], { noServer: false, server: 'http://a' }],
    [
      ['status', '--output=json', '--timeout', '1.5', '-q', '-v'],
      { json: true, timeoutSeconds: 1.5, quiet: true, verbose: true },
    ],
    [['-o', 'json', 'status'], { json: true }],
    [['build', '--file', 'Dockerfile.dev'], { file: null }],
    [['--file', 'a.yaml', 'build', '--file', 'Dockerfile.dev'], { file: 'a.yaml' }],
    [['build', '-o', 'oci:x', '-o', 'json'], { json: true }],
    [['build', '-o', 'oci:x'], { json: false }],
    [['secret', 'set', 'A', '--app', 'shop'], { app: 'shop' }],
  ])('%j mean %j', async (args, wanted) => expect(await optionsOf(...args)).toMatchObject(wanted))
})

it('has every command once, with a summary that fits a line', () => {
  expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length)
  for (const { name, summary } of COMMANDS) expect(`  ${name.padEnd(9)} ${summary}`.length).toBeLessThanOrEqual(80)
})

it.each([
  ["error: unknown option '--fiel'\n(Did you mean --file?)", [], "unknown option '--fiel'", 'Did you mean --file?'],
  [
    "error: unknown option '--foo'\n(Did you mean --file?)",
    [],
    "unknown option '--foo'",
    'See how it is used with: naru --help',
  ],
  [
    "error: unknown command 'statu'\n(Did you mean one of status, start?)",
    [],
    "unknown command 'statu'",
    'Did you mean status?',
  ],
  [
    "error: option '--tail <n>' argument 'x' is invalid. Write a number.",
    [],
    "option '--tail <n>' argument 'x' is invalid",
    'Write a number.',
  ],
  [
    "error: missing required argument 'replicas'",
    ['scale'],
    "missing required argument 'replicas'",
    'See how it is used with: naru scale --help',
  ],
  [
    "error: too many arguments for 'logs'. Expected 0 arguments but got 1: web.",
    ['logs', 'web'],
    "too many arguments for 'logs'. Expected 0 arguments but got 1: web.",
    'A role is chosen with: naru logs --role web',
  ],
  [
    "error: too many arguments for 'base'. Expected 1 argument but got 2: a, b.",
    ['image', 'base', 'a', 'b'],
    "too many arguments for 'base'. Expected 1 argument but got 2: a, b.",
    'See how it is used with: naru image base --help',
  ],
])('tells %j in our form', async (words, args, message, hint) => {
  const program = buildProgram(async () => {})
  for (const command of program.commands) if (args.includes(command.name())) await fillIn(command, async () => {})
  expect(usageError(words, program, args)).toMatchObject({ code: 'USAGE_INVALID', message, hint })
})

it('reads numbers as people write them', () => {
  expect([revisionNumber('42'), revisionNumber('r42'), rolloutNumber('r-7'), countOf('1000')]).toEqual([
    42, 42, 7, 1000,
  ])
  for (const wrong of ['0', '-1', 'x', '1.5', '']) {
    expect(() => revisionNumber(wrong)).toThrow(/revision number/)
    expect(() => rolloutNumber(wrong)).toThrow(/r-12/)
    expect(() => countOf(wrong)).toThrow(/1 to 1000/)
  }
})

it('collects replicas of roles', () => {
  expect(replicasOf('worker=2', replicasOf('3', undefined))).toEqual({ web: 3, worker: 2 })
  expect(() => replicasOf('web=3', { web: 2 })).toThrow(/web is given twice/)
  for (const wrong of ['x', 'web=', '1001', '=2', 'Web=1']) expect(() => replicasOf(wrong, undefined)).toThrow(/ROLE=N/)
})
