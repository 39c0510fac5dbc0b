import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readElf } from '../../build/base/elf.ts'
import { sharedLibraries } from '../../build/base/shared-libraries.ts'
import type { ImageConfig } from '../../model/descriptor.ts'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import type { Release } from '../../model/release.ts'
import { type CraftedLayer, CraftedStore, craftLayer, craftTar } from './roots/testing.ts'

const FIXTURE = resolve(import.meta.dirname, '../../../test/fixtures/contract-app.mjs')
export const IMAGE = { uid: 1000, cwd: '/srv/app', stopSignal: 'SIGUSR1' } as const

const CONFIG: NonNullable<ImageConfig['config']> = {
  User: '1000:1000',
  WorkingDir: IMAGE.cwd,
  StopSignal: IMAGE.stopSignal,
  Env: ['PATH=/usr/bin:/bin', 'FROM_IMAGE=image'],
  Cmd: ['node', 'contract-app.mjs'],
}

/** A store with one image: this Node, its libraries, and test/fixtures/contract-app.mjs. */
export function contractImage(): { readonly store: CraftedStore; publish(release: Release): Promise<Release> } {
  const store = new CraftedStore()
  const artifact = store.putImage([nodeLayer(), appLayer()], CONFIG)
  return { store, publish: async (release) => ({ ...release, artifact }) }
}

function nodeLayer(): CraftedLayer {
  const node = readFileSync(process.execPath)
  const elf = readElf(process.execPath)
  if (elf === null) throw new Error('this Node is no ELF program')
  const { interpreter, folder, libraries } = sharedLibraries(process.execPath, elf)
  const files = [
    { name: 'usr/bin/node', content: node, mode: 0o755 },
    ...(interpreter === null ? [] : [{ name: interpreter.slice(1), content: readFileSync(interpreter), mode: 0o755 }]),
    ...[...libraries].map(([name, path]) => ({
      name: join(folder, name).slice(1),
      content: readFileSync(path),
      mode: 0o755,
    })),
    { name: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n' },
  ]
  return craftLayer(craftTar(...files), MEDIA_TYPES.layer, (plain) => plain)
}

function appLayer(): CraftedLayer {
  const name = `${IMAGE.cwd.slice(1)}/contract-app.mjs`
  return craftLayer(craftTar({ name, content: readFileSync(FIXTURE) }), MEDIA_TYPES.layer, (plain) => plain)
}
