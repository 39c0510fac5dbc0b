import type { App } from '../../model/app.ts'
import type { RolloutKind } from '../../model/rollout.ts'

/** Where the receipt's prober sends its requests, or why nothing can be measured. */
export type ReceiptTarget =
  | { readonly kind: 'url'; readonly url: string; readonly host: string | null; readonly rate: number }
  | { readonly kind: 'none'; readonly why: string }

const ANY = new Set(['0.0.0.0', '::', '*'])

/** The first route, on the path of `receipt`, else of its role's readiness check, else `/` (design.md section 3). */
export function receiptTarget(app: App, kind: RolloutKind): ReceiptTarget {
  if (kind === 'stop') return { kind: 'none', why: 'the service was stopped: no answer is no loss' }
  const [route] = app.routes
  if (app.receipt === null || app.receipt.rate === 0) return { kind: 'none', why: 'receipt is off in naru.yaml' }
  if (route === undefined || route.listen.port === 'role')
    return { kind: 'none', why: 'no route: nothing to send requests through' }
  const readiness = app.roles.find(({ name }) => name === route.role)?.readiness
  const readinessPath = typeof readiness === 'object' && readiness.kind === 'http' ? readiness.path : '/'
  const host = ANY.has(route.listen.host) ? '127.0.0.1' : route.listen.host
  const authority = host.includes(':') ? `[${host}]` : host
  const path = app.receipt.path ?? readinessPath
  return {
    kind: 'url',
    url: `http://${authority}:${route.listen.port}${path}`,
    host: route.host,
    rate: app.receipt.rate,
  }
}
