import { expect, it } from 'vitest'
import { embeddedTraits } from '../engines/embedded/embedded-traits.ts'
import { appReader, type AppRequest } from './app-reader.ts'

const read = (text: string) => {
  const request: AppRequest = {
    file: { name: 'naru.yaml', text },
    folderName: 'shop',
    environment: null,
    source: { repository: null, folder: '', ref: null },
    variables: {},
  }
  return appReader(request, { name: 'embedded', traits: embeddedTraits([]) }).front()
}

it.each([
  [
    'an environment of another engine',
    'app: shop\nenvironments: { prod: { engine: docker } }',
    'naru.yaml:2:25: engine: docker',
  ],
  ['a key that the engine does not honour', 'app: shop\nroutes: [{ path: /a }]', 'naru.yaml:2:12: routes[0].path'],
])('refuses %s, with its place', (_name, text, message) => {
  expect(() => read(text)).toThrow(message)
})

it('reads an app of its own engine', () => {
  expect(read('app: shop').app).toMatchObject({ app: 'shop', environment: 'local', engine: { kind: 'embedded' } })
})
