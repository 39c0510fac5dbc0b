import { expect, it } from 'vitest'
import { tellingLine } from './telling-line.ts'

it.each<readonly [string, readonly string[], string | null]>([
  ['nothing', [], null],
  ['the last line of a quiet program', ['loading', 'bye'], 'bye'],
  [
    'what Node names, not its version',
    [
      'cache error: going on without',
      '/app/server.js:3',
      "throw new Error('no DB_URL')",
      '^',
      '',
      'Error: no DB_URL',
      '    at Object.<anonymous> (/app/server.js:3:7)',
      '    at Module._compile (node:internal/modules/cjs/loader:1554:14)',
      '',
      'Node.js v24.21.0',
    ],
    'Error: no DB_URL',
  ],
  [
    'what Node names with its code',
    [
      'node:internal/modules/cjs/loader:1228',
      '  throw err;',
      "Error: Cannot find module '/app/x.js'",
      '    at Function._load',
      '{',
      "  code: 'MODULE_NOT_FOUND',",
      '  requireStack: []',
      '}',
      '',
      'Node.js v24.21.0',
    ],
    "Error: Cannot find module '/app/x.js'",
  ],
  [
    'the end of a Python traceback',
    ['Traceback (most recent call last):', '  File "/app/a.py", line 1, in <module>', "KeyError: 'DB_URL'"],
    "KeyError: 'DB_URL'",
  ],
  [
    'the root of a Java exception',
    [
      'Exception in thread "main" java.lang.IllegalStateException: no pool',
      '\tat App.main(App.java:3)',
      'Caused by: java.net.ConnectException: refused',
      '\t... 3 more',
    ],
    'Caused by: java.net.ConnectException: refused',
  ],
  [
    'a panic of Go',
    ['panic: no DB_URL', '', 'goroutine 1 [running]:', 'main.main()', '\t/app/main.go:4', 'exit status 2'],
    'panic: no DB_URL',
  ],
  [
    'a panic of Rust',
    ["thread 'main' panicked at src/main.rs:2:5:", 'no DB_URL', 'note: run with `RUST_BACKTRACE=1`'],
    "thread 'main' panicked at src/main.rs:2:5:",
  ],
  [
    'a complaint in plain words',
    ['starting', 'nginx: [emerg] bind() failed (13: denied)', 'bye'],
    'nginx: [emerg] bind() failed (13: denied)',
  ],
  ['the last of what only belongs to others', ['  at a', '  at b'], '  at b'],
])('finds %s', (_name, log, line) => {
  expect(tellingLine(log)).toBe(line)
})

it('gives the beginning of a line, without what would steer a terminal', () => {
  expect(tellingLine(['\u001b[31mError:\u001b[0m no\u0007 DB\u001b]0;x'])).toBe('Error: no  DB ]0;x')
  expect(tellingLine([`Error: ${'a'.repeat(1_000_000)}`])).toHaveLength(300)
  expect(tellingLine(['Unhandled '.repeat(50_000), `${'a.'.repeat(100_000)}`])).not.toBeNull()
})
