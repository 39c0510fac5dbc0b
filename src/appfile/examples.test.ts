import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { environmentNames } from './merge-environment.ts'
import { readAppFile } from './read-app-file.ts'
import { resolveApp } from './resolve-app.ts'
import { refusal } from './testing.ts'

const FOLDER = new URL('../../examples/appfiles/', import.meta.url)
/** What this version of Naru says no to; an issue that brings the key takes its line out. */
const NOT_YET: Readonly<Record<string, RegExp>> = {
  'full.yaml prod': /replicas.* is not supported/,
}

const cases = readdirSync(FOLDER).flatMap((name) => {
  const front = readAppFile(readFileSync(new URL(name, FOLDER), 'utf8'), name)
  return environmentNames(front.root).map((environment) => ({ name, environment, front }))
})

it.each(cases)('examples/appfiles/$name is an app in $environment', ({ name, environment, front }) => {
  const resolve = () => resolveApp({ front, environment, variables: {}, folderName: 'x' })
  const notYet = NOT_YET[`${name} ${environment}`]
  if (notYet === undefined) expect(resolve().app).toMatchObject({ environment, roles: expect.any(Array) })
  else expect(refusal(resolve)).toMatchObject({ code: 'KEY_NOT_SUPPORTED', message: expect.stringMatching(notYet) })
})
