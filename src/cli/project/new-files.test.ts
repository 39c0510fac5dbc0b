import { expect, it } from 'vitest'
import { readAppFile } from '../../appfile/read-app-file.ts'
import { type Found, newFiles } from './new-files.ts'

const projectOf = (texts: Readonly<Record<string, string>>) => ({ names: Object.keys(texts), texts })

const found = (more: Partial<Found>): Found => ({
  app: 'shop',
  dockerfile: null,
  project: projectOf({}),
  kind: null,
  ...more,
})

const textOf = (more: Partial<Found>, name: string) =>
  newFiles(found(more)).files.find((file) => file.name === name)?.text ?? ''

const NODE = projectOf({ 'package.json': '{"scripts":{"start":"node a.js"}}' })

it.each<[string, Partial<Found>, RegExp]>([
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
  ['a project of a kind', { project: NODE }, /^# port: 8080 /m],
  ['nothing', {}, /^# image: /m],
])('writes a naru.yaml for %s, which can be read', (_name, more, wanted) => {
  const text = textOf(more, 'naru.yaml')
  expect(text).toMatch(wanted)
  expect(() => readAppFile(text, 'naru.yaml')).not.toThrow()
})

it.each<[string, Found['project'], RegExp]>([
  ['a connect', NODE, /^health: { readiness: { tcp: true } } /m],
  [
    'a path',
    projectOf({ ...NODE.texts, 'a.js': "app.get('/healthz', ok)" }),
    /^health: { readiness: { path: \/healthz } } {3}# a.js has it$/m,
  ],
  [
    'what is the default',
    projectOf({ 'requirements.txt': '', 'app.py': 'app = Flask(a)' }),
    /^# health: .* default: HEALTH/m,
  ],
])('says how readiness is asked for: by %s', (_name, project, wanted) => {
  expect(textOf({ project }, 'naru.yaml')).toMatch(wanted)
})

const POM = (more: string) => ({ 'pom.xml': `<project>${more}</project>` })

it.each<[string, Found['project'], boolean]>([
  ['a WAR', projectOf(POM('<packaging>war</packaging>')), true],
  ['a Spring Boot jar', projectOf(POM('<artifactId>spring-boot-maven-plugin</artifactId>')), true],
  ['a Gradle WAR', projectOf({ 'build.gradle': 'plugins {\n  war\n}' }), true],
  ['a plain jar, whose libraries are copied by themselves', projectOf(POM('<mainClass>b.B</mainClass>')), false],
  ['Node', NODE, false],
])('splits layers where an unpacked archive is copied in one line: %s', (_name, project, isSplit) => {
  const text = textOf({ project }, 'naru.yaml')
  expect(() => readAppFile(text, 'naru.yaml')).not.toThrow()
  expect(/^build: \{ split: java \}/m.test(text)).toBe(isSplit)
})

it('suggests a route on the port that was found', () => {
  const dockerfile = { name: 'Dockerfile', text: 'FROM a\nEXPOSE 3000\n' }
  expect(textOf({ dockerfile }, 'naru.yaml')).toContain('listen: "127.0.0.1:3000"')
  expect(textOf({}, 'naru.yaml')).toContain('listen: "127.0.0.1:8080"')
})

it('writes a Dockerfile and a .dockerignore beside it, but none where one is', () => {
  const names = (project: Found['project']) => newFiles(found({ project })).files.map(({ name }) => name)
  expect(names(NODE)).toEqual(['naru.yaml', 'Dockerfile', '.dockerignore'])
  expect(names({ ...NODE, names: [...NODE.names, '.dockerignore'] })).toEqual(['naru.yaml', 'Dockerfile'])
})

it('says how to do without Docker Hub where this machine’s own Node is enough', () => {
  expect(newFiles(found({ project: NODE })).next.join('\n')).toContain('naru image base node --name node:24-slim')
})

it('says which kind was taken and why, and how to have the other one', () => {
  const project = projectOf({ 'go.mod': 'module a\n', 'main.go': 'package main\n', ...NODE.texts })
  const { notes } = newFiles(found({ project }))
  expect(notes[0]).toBe(
    'go, because of go.mod; it could also be node (package.json): for that, remove Dockerfile and add --force --kind node',
  )
  expect(newFiles(found({ project, kind: 'node' })).notes[0]).toMatch(
    /^node, because of package.json; it could also be go/,
  )
})

it('says what is missing where a kind cannot be told whole, and writes no Dockerfile', () => {
  const made = newFiles(found({ project: projectOf({ 'package.json': '{}' }) }))
  expect(made.files.map(({ name }) => name)).toEqual(['naru.yaml'])
  expect(made.notes.join('\n')).toContain(
    'no Dockerfile was written: package.json has neither "main" nor a "start" script',
  )
})

it('names the kinds where it is none of them', () => {
  expect(newFiles(found({})).next[0]).toContain('maven, gradle, go, python, node, static')
})

it('never writes a Dockerfile where one is', () => {
  const { files, next } = newFiles(
    found({ dockerfile: { name: 'Dockerfile', text: 'FROM base/node:24\n' }, project: NODE }),
  )
  expect(files.map(({ name }) => name)).toEqual(['naru.yaml'])
  expect(next.join('\n')).toContain('naru image base node')
})
