import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Access, accessGate } from '../access/access-gate.ts'
import type { Keeping } from '../keeping/keep-registry.ts'
import { answerToken } from '../access/token-route.ts'
import { answerKeeping, KEEPING_PATH } from './keeping-routes.ts'
import { isRegistryPath, type RegistryRoutesOptions, registryRoutes } from './registry-routes.ts'

/** What a registry of its own is made of. */
export interface RegistryAppOptions extends Omit<RegistryRoutesOptions, 'gate'> {
  readonly access: Access
  /** What is asked for on the unix socket. Default: nothing can be. */
  readonly keeping?: Keeping
}

/** The registry as a server of its own: `/v2/`, `/token`, and `/healthz` for whoever watches over it. The caller listens. */
export function registryApp({ access, keeping, ...options }: RegistryAppOptions): RequestListener {
  const registry = registryRoutes({ ...options, gate: accessGate(access) })
  return (request: IncomingMessage, response: ServerResponse) => {
    const { url = '' } = request
    if (isRegistryPath(url)) void registry(request, response)
    else if (/^\/token(?:\?|$)/.test(url)) void answerToken(access, request, response)
    else if (url === KEEPING_PATH && keeping !== undefined && access.isLocal(request))
      void answerKeeping(keeping, request, response)
    else if (url === '/healthz') response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok\n')
    else response.writeHead(404, { 'Content-Type': 'application/json' }).end(NOTHING)
  }
}

const NOTHING = JSON.stringify({
  errors: [{ code: 'UNSUPPORTED', message: 'the registry is under /v2/', detail: null }],
})
