import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aGuardedRegistry, basicHeader } from './testing.ts'

const PASSWORD = 'correct horse battery'
const SCOPE = 'repository:team/app:pull,push'

describe('/token', () => {
  let registry: Awaited<ReturnType<typeof aGuardedRegistry>>
  beforeAll(async () => {
    registry = await aGuardedRegistry()
    await registry.change.addUser('kim', PASSWORD, [{ repositories: 'team/**', actions: ['pull', 'push'] }])
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  const get = (query: string, authorization = basicHeader('kim', PASSWORD)) =>
    fetch(`${registry.url}/token?${query}`, { headers: { Authorization: authorization } })
  const post = (form: Record<string, string>) =>
    fetch(`${registry.url}/token`, { method: 'POST', body: new URLSearchParams(form) })

  it('gives a token as docker asks for it: GET with Basic', async () => {
    const service = registry.access.issuer.aud
    const answer = await get(`account=kim&client_id=docker&offline_token=true&service=${service}&scope=${SCOPE}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const body = (await answer.json()) as Record<string, unknown>
    expect(body).toEqual({
      token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      access_token: body.token,
      token_type: 'Bearer',
      expires_in: 300,
      issued_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
      scope: SCOPE,
    })
    const used = await fetch(`${registry.url}/v2/team/app/tags/list`, {
      headers: { Authorization: `Bearer ${String(body.token)}` },
    })
    expect(used.status).toBe(404)
  })

  it('gives a token as containerd asks for it: a form', async () => {
    const grant = { grant_type: 'password', service: registry.access.issuer.aud, client_id: 'containerd-client' }
    const answer = await post({
      ...grant,
      scope: `${SCOPE} repository:other:pull`,
      username: 'kim',
      password: PASSWORD,
    })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ access_token: expect.any(String), expires_in: 300, scope: SCOPE })
  })

  it.each<[string, Record<string, string>, number, string | undefined]>([
    ['a wrong password', { grant_type: 'password', username: 'kim', password: 'wrong' }, 401, undefined],
    ['no password', { grant_type: 'password', username: 'kim' }, 400, 'unsupported_grant_type'],
    [
      'a long-lived token, which is never given',
      { grant_type: 'refresh_token', refresh_token: 'x' },
      400,
      'unsupported_grant_type',
    ],
    ['another grant', { grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    ['nothing', {}, 400, 'unsupported_grant_type'],
    [
      'another service',
      { grant_type: 'password', username: 'kim', password: PASSWORD, service: 'hub' },
      400,
      undefined,
    ],
  ])('refuses a form with %s', async (_name, form, status, error) => {
    const answer = await post(form)
    expect(answer.status).toBe(status)
    expect(((await answer.json()) as { error?: string }).error).toBe(error)
  })

  it('refuses what is no login, another service, another method and a form without end', async () => {
    expect((await get('', basicHeader('kim', 'wrong'))).status).toBe(401)
    expect((await get('', 'Bearer abc')).status).toBe(401)
    expect((await get('service=registry.docker.io')).status).toBe(400)
    expect((await fetch(`${registry.url}/token`, { method: 'DELETE' })).status).toBe(405)
    expect((await post({ grant_type: 'password', password: 'x'.repeat(20_000) })).status).toBe(413)
    // A password in a URL stays in logs: it is not read there.
    expect((await fetch(`${registry.url}/token?username=kim&password=${encodeURIComponent(PASSWORD)}`)).status).toBe(
      401,
    )
  })

  it('says how long to wait after wrong passwords', async () => {
    const guesses = Array.from({ length: 12 }, (_, at) => get('', basicHeader('lee', `guess ${at}`)))
    const refused = (await Promise.all(guesses)).filter(({ status }) => status === 429)
    expect(refused.length).toBe(6)
    for (const { headers } of refused) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('gives anybody a token for what anybody may', async () => {
    expect((await fetch(`${registry.url}/token?scope=${SCOPE}`)).status).toBe(401)
    await using open = await aGuardedRegistry({ anonymous: ['team/**:pull'] })
    const answer = await fetch(`${open.url}/token?scope=${SCOPE}&scope=repository:other:pull`)
    expect(await answer.json()).toMatchObject({ scope: 'repository:team/app:pull' })
  })
})
