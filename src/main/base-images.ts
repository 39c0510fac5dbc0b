import type { BaseImageRequest } from '../api/requests.ts'
import type { BaseImageBody } from '../api/responses.ts'
import { makeBaseImage } from '../build/base/base-image.ts'
import { formatReference } from '../model/reference.ts'
import type { DiskStore } from '../registry/disk/disk-store.ts'
import { dataPaths } from './data-folder.ts'

/** `naru image base`: an image from a program of this machine, in the embedded registry. */
export async function storeBaseImage(
  folder: string,
  images: DiskStore,
  { program, repository, tag }: BaseImageRequest,
  signal: AbortSignal,
): Promise<BaseImageBody> {
  const { artifact, layers } = await makeBaseImage(
    {
      program,
      path: process.env.PATH ?? '',
      name: null,
      destination: { store: images, repository, tags: [tag] },
      cacheFolder: dataPaths(folder).buildCache,
    },
    () => {},
    signal,
  )
  const size = layers.reduce((sum, layer) => sum + layer.size, 0)
  return {
    reference: formatReference({ registry: null, repository, tag, digest: null }),
    digest: artifact.digest,
    size,
  }
}
