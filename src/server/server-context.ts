import type { BaseImageBody, PruneBody, ServerBody } from '../api/responses.ts'
import type { BaseImageRequest, PruneRequest } from '../api/requests.ts'
import type { Control } from '../deploy/control.ts'
import type { Workshop } from '../deploy/artifact/workshop.ts'
import type { ContentStore } from '../registry/content-store.ts'

/** What the routes of the server are made of; main.ts picks the parts. */
export interface ServerContext {
  readonly control: Control
  readonly workshop: Workshop
  readonly images: ContentStore & { repositories(signal: AbortSignal): Promise<readonly string[]> }
  /** Facts about this server, for doctor and version. */
  describe(): Promise<ServerBody>
  makeBaseImage(request: BaseImageRequest, signal: AbortSignal): Promise<BaseImageBody>
  /** Frees space; never what a release needs. */
  prune(request: PruneRequest, signal: AbortSignal): Promise<PruneBody>
  /** What a client on TCP must present; null: there is no TCP. */
  readonly token: string | null
  /** Whether a request came over the unix socket that only its user can open. */
  isLocal(socket: object): boolean
  readonly version: string
  /** Ends with the server: streams to clients end with it. */
  readonly signal: AbortSignal
}
