import { describe, expect, it } from 'vitest'
import type { ImageConfig } from '../model/descriptor.ts'
import { settleImage } from './settle-image.ts'
import { refusal, resolveText } from './testing.ts'

const image = (config: ImageConfig['config']): ImageConfig => ({
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [] },
  ...(config === undefined ? {} : { config }),
})
const settled = (text: string, config?: ImageConfig['config']) =>
  settleImage(resolveText(`app: shop\n${text}`).app, image(config))

describe('ports', () => {
  it.each([
    ['8080 without EXPOSE', undefined, 8080],
    ['the one of EXPOSE', { ExposedPorts: { '3000/tcp': {} } }, 3000],
    ['the first of several', { ExposedPorts: { '9000/tcp': {}, '3000/tcp': {} } }, 9000],
    ['a port without a protocol', { ExposedPorts: { '3000': {} } }, 3000],
    ['the first that is TCP', { ExposedPorts: { '53/udp': {}, '3000/tcp': {} } }, 3000],
    ['8080 when none can be one', { ExposedPorts: { '0/tcp': {}, '99999/tcp': {}, 'a/tcp': {} } }, 8080],
  ])('takes %s, and publishes it', (_name, config, port) => {
    const app = settled('', config)
    expect(app.roles[0]?.port).toBe(port)
    expect(app.routes[0]?.listen).toEqual({ host: '127.0.0.1', port })
  })
  it('keeps a port that is written', () => {
    const app = settled('port: 81\nroutes: [{ listen: 80 }]', { ExposedPorts: { '3000/tcp': {} } })
    expect([app.roles[0]?.port, app.routes[0]?.listen.port]).toEqual([81, 80])
  })
  it('leaves a role without a port alone', () => {
    const app = settled('roles: { web: {}, job: {} }', {
      ExposedPorts: { '3000/tcp': {} },
      Healthcheck: { Test: ['CMD', 'a'] },
    })
    expect(app.roles[1]).toMatchObject({ port: null, readiness: 'image' })
  })
  it('refuses two routes that turn out to publish one address', () => {
    const text = 'roles: { web: {}, api: { port: 3000 } }\nroutes: [{}, { role: api }]'
    expect(settled(text).routes.map(({ listen }) => listen.port)).toEqual([8080, 3000])
    const error = refusal(() => settled(text, { ExposedPorts: { '3000/tcp': {} } }))
    expect(error.message).toBe('routes[1] publishes 127.0.0.1:3000, which routes[0] does already')
  })
})

describe('readiness', () => {
  const tcp = { kind: 'tcp', port: null }
  it.each([
    ['a connect without HEALTHCHECK', undefined, tcp],
    ['its program', { Test: ['CMD', 'check', '-q'] }, { kind: 'run', command: ['check', '-q'] }],
    [
      "its text in the image's shell",
      { Test: ['CMD-SHELL', 'a || exit 1'] },
      { kind: 'run', command: ['/bin/sh', '-c', 'a || exit 1'] },
    ],
    ['a connect for NONE', { Test: ['NONE'] }, tcp],
    ['a connect for an empty one', { Test: [] }, tcp],
    ['a connect for one without a program', { Test: ['CMD'] }, tcp],
  ])('is %s', (_name, Healthcheck, expected) => {
    expect(settled('', Healthcheck === undefined ? {} : { Healthcheck }).roles[0]?.readiness).toEqual(expected)
  })
  it('is what is written, whatever the image says', () => {
    const app = settled('health: { readiness: { path: /up } }', { Healthcheck: { Test: ['CMD', 'a'] } })
    expect(app.roles[0]?.readiness).toMatchObject({ kind: 'http', path: '/up' })
  })
})
