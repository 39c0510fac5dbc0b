import { openCalls, type RegistryClientOptions } from './calls/open-calls.ts'

/** Tries a login: a registry that asks who calls must let it in. Answers whether it asked. Throws REGISTRY_AUTH_FAILED. */
export async function tryLogin(options: RegistryClientOptions, signal: AbortSignal): Promise<boolean> {
  const { connection, calls, authorization } = openCalls(options)
  try {
    const call = { method: 'GET', at: '/v2/', scopes: [], expect: [200], what: 'come in' } as const
    await calls.callForHead(call, signal)
    const { isAsked, wasShown } = authorization.state
    if (isAsked && !wasShown) throw authorization.notShown()
    return isAsked
  } finally {
    connection.close()
  }
}
