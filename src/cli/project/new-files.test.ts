import { expect, it } from 'vitest'
import { readAppFile } from '../../appfile/read-app-file.ts'
import { type Found, newFiles } from './new-files.ts'

const found = (more: Partial<Found>): Found => ({
  app: 'shop',
  dockerfile: null,
  manifest: null,
  hasLockfile: false,
  mains: [],
  nodeMajor: '24',
  ...more,
})

const textOf = (more: Partial<Found>, name: string) =>
  newFiles(found(more)).files.find((file) => file.name === name)?.text ?? ''

it.each([
  [
    'an EXPOSE',
    { dockerfile: { name: 'Dockerfile', text: 'FROM a\nEXPOSE 1\nFROM b\nexpose 3000/tcp\n' } },
    /^# port: 3000 /m,
  ],
  ['no EXPOSE', { dockerfile: { name: 'Dockerfile', text: 'FROM a\n' } }, /^port: 8080 /m],
  [
    'a Containerfile',
    { dockerfile: { name: 'Containerfile', text: 'FROM a\n' } },
    /^build: { dockerfile: Containerfile }$/m,
  ],
  [
    'packages and a lockfile',
    { manifest: { dependencies: { a: '1' } }, hasLockfile: true },
    /run: \[npm, ci, --omit=dev\]/,
  ],
  ['nothing', {}, /^# image: /m],
])('writes a naru.yaml for %s, which can be read', (_name, more, wanted) => {
  const text = textOf(more, 'naru.yaml')
  expect(text).toMatch(wanted)
  expect(() => readAppFile(text, 'naru.yaml')).not.toThrow()
})

it('suggests a route on the port that was found', () => {
  const dockerfile = { name: 'Dockerfile', text: 'FROM a\nEXPOSE 3000\n' }
  expect(textOf({ dockerfile }, 'naru.yaml')).toContain('listen: "127.0.0.1:3000"')
  expect(textOf({}, 'naru.yaml')).toContain('listen: "127.0.0.1:8080"')
})

it.each([
  [
    'a simple start script',
    { scripts: { start: 'node --enable-source-maps main.js' } },
    '["/usr/local/bin/node", "--enable-source-maps", "main.js"]',
  ],
  [
    'one that needs a shell: main',
    { scripts: { start: 'node a.js | tee log' }, main: 'b.js' },
    '["/usr/local/bin/node", "b.js"]',
  ],
  ['neither: the likeliest file', {}, '["/usr/local/bin/node", "server.mjs"]'],
])('starts a Node project by %s', (_name, manifest, command) => {
  const text = textOf({ manifest, mains: ['server.mjs', 'index.js'] }, 'Dockerfile')
  expect(text).toContain(`CMD ${command}`)
  expect(text).toMatch(/^FROM base\/node:24$/m)
})

it('never writes a Dockerfile where one is', () => {
  const { files, next } = newFiles(
    found({ dockerfile: { name: 'Dockerfile', text: 'FROM base/node:24\n' }, manifest: {} }),
  )
  expect(files.map(({ name }) => name)).toEqual(['naru.yaml'])
  expect(next.join('\n')).toContain('naru image base node')
})
