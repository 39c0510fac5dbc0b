import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { isRegistryPath, type RegistryRoutesOptions, registryRoutes } from './registry-routes.ts'

/** The registry as a server of its own: `/v2/`, and `/healthz` for whoever watches over it. The caller listens. */
export function registryApp(options: RegistryRoutesOptions): RequestListener {
  const registry = registryRoutes(options)
  return (request: IncomingMessage, response: ServerResponse) => {
    const { url = '' } = request
    if (isRegistryPath(url)) void registry(request, response)
    else if (url === '/healthz') response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok\n')
    else response.writeHead(404, { 'Content-Type': 'application/json' }).end(NOTHING)
  }
}

const NOTHING = JSON.stringify({
  errors: [{ code: 'UNSUPPORTED', message: 'the registry is under /v2/', detail: null }],
})
