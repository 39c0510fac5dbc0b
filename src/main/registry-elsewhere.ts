import type { ContentsHost } from '../cli/host.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import { openContents } from '../registry/client/open-registry.ts'
import { readRepository, usageOf } from '../registry/contents/registry-contents.ts'

/** What a registry elsewhere has, as far as the login of this machine's user may see it. Throws REGISTRY_*. */
export async function registryElsewhere(registry: string): Promise<ContentsHost> {
  const contents = await openContents(registry, { clock, env: process.env })
  return {
    async repositories(signal) {
      const found = []
      for (const repository of await contents.repositories(signal))
        found.push({ repository, tags: (await contents.tags(repository, signal)).length })
      return found
    },
    tags: async (repository, signal) => (await readRepository(contents, repository, signal)).tags,
    remove: (repository, reference, signal) => contents.deleteManifest(repository, reference, signal),
    async usage(of, signal) {
      const all = []
      for (const repository of of === null ? await contents.repositories(signal) : [of])
        all.push(await readRepository(contents, repository, signal))
      return usageOf(all)
    },
    close: () => contents.close(),
  }
}
