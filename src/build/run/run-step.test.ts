import { describe, expect, it } from 'vitest'
import { parseDockerfile } from '../dockerfile/parse-dockerfile.ts'
import { readInstruction } from '../dockerfile/read-instruction.ts'
import { type RunScope, runStep } from './run-step.ts'
import { runUser } from './run-user.ts'

const place = { file: 'Dockerfile', line: 1, column: 1 }

function step(text: string, scope: Partial<RunScope> = {}) {
  const [raw] = parseDockerfile(`${text}\n`, 'Dockerfile').instructions
  const instruction = raw === undefined ? undefined : readInstruction(raw, '\\')
  if (instruction?.kind !== 'run') throw new Error('no RUN')
  return runStep(instruction, { settings: {}, variables: new Map(), proxies: {}, expand: (word) => word, ...scope })
}

describe('runStep', () => {
  it.each([
    ['RUN a "b c" $D', ['/bin/sh', '-c', 'a "b c" $D']],
    ['RUN ["a", "b c", "$D"]', ['a', 'b c', '$D']],
    ['RUN <<EOF\na\nb\nEOF', ['/bin/sh', '-c', 'a\nb\n']],
    ['RUN <<-EOF\n\ta\n\tEOF', ['/bin/sh', '-c', 'a\n']],
    ['RUN cat <<EOF\na\nEOF', ['/bin/sh', '-c', 'cat <<EOF\na\nEOF']],
    ['RUN <<A cat && <<B cat\n1\nA\n2\nB', ['/bin/sh', '-c', '<<A cat && <<B cat\n1\nA\n2\nB']],
    ['RUN <<EOF\n#!/usr/bin/env python\nx\nEOF', ['/dev/pipes/EOF']],
  ])('%j runs %j', (text, args) => {
    expect(step(text).args).toEqual(args)
  })

  it('takes the shell of SHELL', () => {
    expect(step('RUN x', { settings: { Shell: ['/bin/bash', '-ec'] } }).args).toEqual(['/bin/bash', '-ec', 'x'])
  })

  it('gives the variables, a PATH, and proxies that nobody set', () => {
    const { env, proxies } = step('RUN x', {
      variables: new Map([
        ['A', 'env'],
        ['B', 'b'],
        ['EMPTY', ''],
        ['http_proxy', 'own'],
      ]),
      proxies: { http_proxy: 'given', HTTPS_PROXY: 'given' },
    })
    expect(env).toMatchObject({
      A: 'env',
      B: 'b',
      EMPTY: '',
      http_proxy: 'own',
      PATH: expect.stringContaining('/usr/bin'),
    })
    expect(proxies).toEqual({ HTTPS_PROXY: 'given' })
  })

  it('reads several mounts, with quotes, variables and other names of keys', () => {
    const { mounts } = step('RUN --mount=type=cache,dst=$C --mount="type=bind,\\"src=a,b\\",target=/x,readwrite" y', {
      expand: (word) => word.replace('$C', '/cache'),
    })
    expect(mounts).toEqual([
      {
        type: 'cache',
        target: '/cache',
        id: '/cache',
        sharing: 'shared',
        readOnly: false,
        start: null,
        mode: 0o755,
        uid: 0,
        gid: 0,
      },
      { type: 'bind', target: '/x', from: null, source: 'a,b', writable: true },
    ])
  })
})

describe('a secret mount', () => {
  it.each([
    ['id=a', { id: 'a', target: '/run/secrets/a' }],
    ['src=a', { id: 'a', target: '/run/secrets/a' }],
    ['source=a,id=b,target=/t', { id: 'a', target: '/t' }],
    ['target=/t/a', { id: 'a', target: '/t/a' }],
    ['id=a,env=A', { id: 'a', target: null, env: 'A' }],
  ])('%s shows %j', (keys, expected) => {
    expect(step(`RUN --mount=type=secret,${keys} x`).mounts).toMatchObject([expected])
  })
})

describe('runUser', () => {
  const passwd = 'root:x:0:0::/root:/bin/sh\nkim:x:1000:1001::/home/kim:/bin/sh\nbad:x:x:0:::\n\n'
  const group = 'root:x:0:\nkim:x:1001:\nteam:x:50:lee,kim\nwheel:x:10:kim\n'
  it.each([
    ['', { uid: 0, gid: 0, groups: [0], home: '/root' }],
    ['kim', { uid: 1000, gid: 1001, groups: [1001, 50, 10], home: '/home/kim' }],
    ['1000', { uid: 1000, gid: 1001, groups: [1001, 50, 10], home: '/home/kim' }],
    ['1000:0', { uid: 1000, gid: 0, groups: [0], home: '/home/kim' }],
    ['kim:team', { uid: 1000, gid: 50, groups: [50], home: '/home/kim' }],
    [':team', { uid: 0, gid: 50, groups: [50], home: '/root' }],
    ['777', { uid: 777, gid: 0, groups: [0], home: '/' }],
    ['777:888', { uid: 777, gid: 888, groups: [888], home: '/' }],
  ])('%j is %j', (text, expected) => {
    expect(runUser(text, { passwd, group }, place)).toEqual(expected)
  })

  it.each([
    ['nobody', 'user "nobody"'],
    ['bad', 'user "bad"'],
    ['kim:none', 'group "none"'],
  ])('refuses %s', (text, message) => {
    expect(() => runUser(text, { passwd, group }, place)).toThrow(message)
  })

  it('takes numbers where the image has no users', () => {
    expect(runUser('5', { passwd: null, group: null }, place)).toEqual({ uid: 5, gid: 0, groups: [0], home: '/' })
  })
})
