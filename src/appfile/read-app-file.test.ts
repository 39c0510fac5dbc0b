// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of naru.yaml
import { expect, it } from 'vitest'
import { readAppFile } from './read-app-file.ts'
import type { AppFile } from './schema/app-file.ts'
import { plainOf } from './tree/placed-tree.ts'

it('reads back what a program writes by the type, as JSON too', () => {
  const written: AppFile = {
    app: 'shop',
    source: { git: '../shop', ref: 'main', submodules: true },
    roles: { web: { port: 8080, replicas: { min: 1, max: 3 }, run: ['./serve'] } },
    secrets: ['A', { name: 'B', file: '/run/b' }],
    receipt: false,
    environments: { local: { engine: 'embedded', rollout: { maxSurge: '50%' } } },
  }
  expect(plainOf(readAppFile(JSON.stringify(written), 'naru.yaml').root)).toEqual(written)
})

it('leaves the form of what a variable makes for later, and says at once what no value can heal', () => {
  const open = 'app: shop\nreplicas: "${N}"\nenvironments: { a: { engine: "${E}", port: null } }'
  expect(() => readAppFile(open, 'naru.yaml')).not.toThrow()
  expect(() => readAppFile('app: shop\nenvironments: { a: { image: "${" } }', 'naru.yaml')).toThrow(
    /^naru\.yaml:2:29: environments\.a\.image: a variable whose name is none$/,
  )
})
