import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dockerfileBuilder } from '../../src/build/dockerfile-builder.ts'
import { basesOf, never } from '../../src/build/testing.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { CERTIFICATES, makeRoot } from './base-root.ts'

/** This machine's certificates, where a proxy may stand before the package registries. */
const TRUSTED = `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES} PIP_CERT=${CERTIFICATES} SSL_CERT_FILE=${CERTIFICATES}`

/** A base image that is made of this machine's programs, under the name of the official one. */
export interface Base {
  readonly name: string
  /** What it cannot be made without, and is not here; null: it can be made. */
  readonly missing: () => Promise<string | null>
  /** Fills the root, and answers the lines of its Dockerfile after the files. */
  readonly fill: (root: string) => Promise<readonly string[]>
}

/** Lays bases into the registry of a data folder that no server uses yet. */
export async function layBases(data: string, bases: readonly Base[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-bases-'))
  const store = await DiskStore.open(join(data, 'registry'), systemClock)
  try {
    const builder = dockerfileBuilder({ cacheFolder: join(folder, 'cache') })
    for (const [index, { name, fill }] of bases.entries()) {
      const root = join(folder, String(index))
      await makeRoot(join(root, 'root'))
      const lines = await fill(join(root, 'root'))
      await writeFile(
        join(root, 'Dockerfile'),
        ['FROM scratch', 'COPY root /', 'RUN chmod 1777 /tmp', TRUSTED, ...lines, ''].join('\n'),
      )
      const [repository = '', tag = ''] = name.split(':')
      await builder.build(
        {
          root,
          context: '.',
          dockerfile: 'Dockerfile',
          target: null,
          args: {},
          epochSeconds: 1_700_000_000,
          bases: basesOf(store),
          destination: { store, repository, tags: [tag] },
        },
        () => {},
        never,
      )
      await rm(root, { recursive: true })
    }
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The PATH of a base, the program's folders first. */
export function path(first: string): string {
  return `ENV PATH=${first === '' ? '' : `${first}:`}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
}
