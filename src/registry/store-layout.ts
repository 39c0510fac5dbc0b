import type { Descriptor } from '../model/descriptor.ts'
import type { ContentStore } from './content-store.ts'
import { copyImage } from './copy-image.ts'
import { findManifest } from './find-manifest.ts'
import { OciLayout } from './oci-layout.ts'
import { invalid } from './parse-manifest.ts'

/** Copies the one image of an image layout, as a build tool leaves it, into a store under these tags. Throws IMAGE_INVALID. */
export async function storeLayout(
  folder: string,
  to: { readonly store: ContentStore; readonly repository: string; readonly tags: readonly string[] },
  signal: AbortSignal,
): Promise<{ readonly artifact: Descriptor; readonly sentBytes: number }> {
  const layout = await OciLayout.open(folder)
  const [digest, ...others] = await layout.digests()
  if (digest === undefined || others.length > 0)
    throw invalid(`the build left ${others.length + 1} images in place of one`)
  const from = { store: layout, repository: to.repository, reference: digest }
  const { sentBytes } = await copyImage({ from, to, platform: null }, signal)
  const { descriptor } = await findManifest(to.store, to.repository, digest, signal)
  const { mediaType, size } = descriptor
  return { artifact: { mediaType, digest, size }, sentBytes }
}
