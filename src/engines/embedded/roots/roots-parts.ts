import { join } from 'node:path'
import type { Clock } from '../../../lib/clock.ts'
import type { Scope } from '../../../model/app.ts'
import type { ContentStore } from '../../../registry/content-store.ts'
import { ImageFiles } from './image/image-files.ts'
import type { PreparedRelease } from './image/prepared-release.ts'
import type { LayerStore } from './layers/layer-store.ts'
import type { Cgroups } from './limits/cgroups.ts'
import type { ReplicaFolders } from './replica-folders.ts'
import type { SecretFolder } from './secret-folder.ts'
import type { FoundIsolation } from './start/isolation.ts'
import type { Tools } from './start/tools.ts'

/** What roots are made of: the folder, and what was found on this machine when it was opened. */
export interface RootsParts {
  readonly folder: string
  readonly owners: boolean
  readonly layers: LayerStore
  readonly folders: ReplicaFolders
  readonly tools: Tools
  readonly enter: string
  readonly found: FoundIsolation
  readonly cgroups: Cgroups
  readonly secrets: SecretFolder | null
  readonly images: Pick<ContentStore, 'readBlob' | 'readManifest'>
  readonly clock: Clock
}

/** The name of a replica's folder, cgroup and secrets. */
export const keyOf = ({ app, environment }: Scope, replica: string): string => `${app}.${environment}.${replica}`

/** Whether each replica has a mount namespace of its own. */
export const inNamespace = ({ found }: RootsParts): boolean =>
  found.isolation === 'namespaces' || found.isolation === 'user-namespaces'

export const layerFiles = ({ layers }: RootsParts, prepared: PreparedRelease): ImageFiles =>
  new ImageFiles(prepared.lowers.map((short) => join(layers.folder, short)))
