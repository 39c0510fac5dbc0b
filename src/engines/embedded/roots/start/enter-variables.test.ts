import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { enterVariables } from './enter-variables.ts'
import { TOOL_ENV } from './tools.ts'

const PECULIAR = {
  PATH: '/app/bin',
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
const ORDINARY = { A: '$(exit 9)`exit 9`"\'\\', TEXT: 'two\nlines\n', EMPTY: '', URL: 'a=b&c=d' }
const ENTER = join(import.meta.dirname, 'enter.sh')

describe('the variables of a program behind a shell', () => {
  it('have names of ours until they are the program’s', () => {
    const env = enterVariables({ ...ORDINARY, ...PECULIAR })
    const texts = (all: object) => Object.entries(all).map(([name, value]) => `${name}=${value}`)
    const numbered = (prefix: string) => texts(env).filter((text) => text.startsWith(prefix))
    expect(numbered('NARU_ENTER_')).toEqual(texts(ORDINARY).map((text, at) => `NARU_ENTER_${at}=${text}`))
    expect(numbered('NARU_LATER_')).toEqual(texts(PECULIAR).map((text, at) => `NARU_LATER_${at}=${text}`))
  })

  it.each(['/bin/sh', '/bin/bash', '/bin/busybox'].filter(existsSync))('arrive whole and alone through %s', (shell) => {
    const env = enterVariables({ ...ORDINARY, ...PECULIAR })
    const script = [...(shell.endsWith('busybox') ? ['sh'] : shell.endsWith('bash') ? ['--posix'] : []), ENTER]
    // `true` in place of mount, and the name that this machine has: only the way of the variables is tried here.
    const frame = ['/bin/true', '/', '/none', '/', hostname(), 'now', '/usr/bin/env', process.execPath]
    const { stdout, stderr } = spawnSync(shell, [...script, ...frame, '--print', 'JSON.stringify(process.env)'], {
      env: { ...TOOL_ENV, SECRET: 's', ...env },
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ ...ORDINARY, ...PECULIAR, SECRET: 's' })
  })
})
