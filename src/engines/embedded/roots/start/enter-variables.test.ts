import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { enterVariables } from './enter-variables.ts'
import { TOOL_ENV } from './tools.ts'

const PECULIAR = {
  'my.name': 'a b',
  'with-dash': "it's",
  _: 'x',
  UID: '7',
  IFS: 'ab',
  LC_ALL: 'ko_KR.UTF-8',
  RANDOM: '4',
  PWD: '/elsewhere',
  NARU_ENTER_1: 'mine',
  naru_at: '9',
  'BASH_FUNC_read%%': '() { exit 9; }',
}
const ORDINARY = { PATH: '/app/bin', A: '$(exit 9)`exit 9`"\'\\', TEXT: 'two\nlines\n', EMPTY: '', URL: 'a=b&c=d' }
const ENTER = join(import.meta.dirname, 'enter.sh')

describe('the variables of a program behind a shell', () => {
  it('are given as arguments only where a shell has a use for the name', () => {
    const { env, args } = enterVariables({ ...ORDINARY, ...PECULIAR })
    expect(Object.values(env)).toEqual(Object.entries(ORDINARY).map(([name, value]) => `${name}=${value}`))
    for (const [name, value] of Object.entries(PECULIAR)) expect(args).toContain(`${name}=${value}`)
    for (const value of Object.values(ORDINARY).filter(Boolean)) expect(args.join(' ')).not.toContain(value)
  })

  it.each(['/bin/sh', '/bin/bash', '/bin/busybox'].filter(existsSync))('arrive whole and alone through %s', (shell) => {
    const { env, args } = enterVariables({ ...ORDINARY, ...PECULIAR })
    const script = [...(shell.endsWith('busybox') ? ['sh'] : shell.endsWith('bash') ? ['--posix'] : []), ENTER]
    // `true` in place of mount, and the name that this machine has: only the way of the variables is tried here.
    const frame = ['/bin/true', '/', '/none', '/', hostname(), 'now', '/usr/bin/env', ...args, process.execPath]
    const { stdout, stderr } = spawnSync(shell, [...script, ...frame, '--print', 'JSON.stringify(process.env)'], {
      env: { ...TOOL_ENV, SECRET: 's', ...env },
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ ...ORDINARY, ...PECULIAR, SECRET: 's' })
  })
})
