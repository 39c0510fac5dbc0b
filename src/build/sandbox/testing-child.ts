// Started by killed.test.ts, which kills it: FOLDER KIND. Builds the tree of a TestBuild in a process of its own.
import { join } from 'node:path'
import { systemClock } from '../../os/system-clock.ts'
import { DiskStore } from '../../registry/disk/disk-store.ts'
import { dockerfileBuilder } from '../dockerfile-builder.ts'
import { basesOf } from '../testing.ts'

const [folder = '', kind = ''] = process.argv.slice(2)
const store = await DiskStore.open(join(folder, 'store'), systemClock)
const builder = dockerfileBuilder({
  cacheFolder: join(folder, 'cache'),
  runtimes: kind === 'runc' ? ['runc'] : [],
})
await builder.build(
  {
    root: join(folder, 'root'),
    context: '.',
    dockerfile: 'Dockerfile',
    target: null,
    args: {},
    epochSeconds: 1_700_000_000,
    bases: basesOf(store),
    destination: { store, repository: 'shop', tags: ['v1'] },
  },
  () => {},
  new AbortController().signal,
)
