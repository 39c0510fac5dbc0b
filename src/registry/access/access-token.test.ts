import { createHmac, createSign, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Claims, signToken, type TokenIssuer, verifyToken } from './access-token.ts'
import { aGuardedRegistry } from './testing.ts'

const NOW = Date.parse('2026-11-24T00:00:00Z')
const issuer: TokenIssuer = { key: randomBytes(32), iss: 'naru-1', aud: 'naru-1' }
const SCOPE = { type: 'repository', name: 'team/shop', actions: ['pull'] } as const
const claims = {
  sub: 'kim',
  account: 'id',
  iat: NOW / 1000,
  nbf: NOW / 1000,
  exp: NOW / 1000 + 300,
  access: [SCOPE],
}
const token = signToken(issuer, claims)
const [header = '', payload = '', signature = ''] = token.split('.')

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims
const hmac = (text: string, key: Uint8Array | string = issuer.key, algorithm = 'sha256') =>
  createHmac(algorithm, key).update(text).digest('base64url')
/** A token with any header and claims, signed with our key or another one. */
const forged = (head: unknown, body: unknown, key: Uint8Array | string = issuer.key, algorithm = 'sha256') => {
  const text = `${encode(head)}.${encode(body)}`
  return `${text}.${hmac(text, key, algorithm)}`
}
const HS256 = { alg: 'HS256', typ: 'JWT' }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' })
const whole = decode(payload)
const asRsa = (head: object) => {
  const text = `${encode(head)}.${payload}`
  return `${text}.${createSign('sha256').update(text).sign(rsa.privateKey, 'base64url')}`
}
const asEc = () => {
  const text = `${encode({ alg: 'ES256', typ: 'JWT' })}.${payload}`
  return `${text}.${sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
const last = signature.at(-1) ?? ''

describe('a token (A13)', () => {
  it('that was made here says what it was made for, until it ends', () => {
    expect(verifyToken(issuer, token, NOW)).toEqual({ ...claims, iss: 'naru-1', aud: 'naru-1' })
    expect(verifyToken(issuer, token, NOW + 299_999)).not.toBeNull()
  })

  it.each([
    ['algorithm none, unsigned', `${encode({ alg: 'none' })}.${payload}.`],
    ['algorithm none, with the signature of another', `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.${signature}`],
    ['algorithm None, signed by us', forged({ alg: 'None', typ: 'JWT' }, whole)],
    ['no algorithm', forged({ typ: 'JWT' }, whole)],
    ['signed with another key', forged(HS256, whole, randomBytes(32))],
    ['signed with no key', forged(HS256, whole, '')],
    ['signed with the public key of somebody (HS for RS)', forged(HS256, whole, publicPem)],
    [
      'RS256 with a key of its own in its header',
      asRsa({ alg: 'RS256', typ: 'JWT', jwk: rsa.publicKey.export({ format: 'jwk' }) }),
    ],
    ['RS256', asRsa({ alg: 'RS256', typ: 'JWT' })],
    ['ES256', asEc()],
    [
      'ES256 with a signature of zeros',
      `${encode({ alg: 'ES256', typ: 'JWT' })}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    ],
    ['HS512 with our key', forged({ alg: 'HS512', typ: 'JWT' }, whole, issuer.key, 'sha512')],
    ['a header that names a key by a path', forged({ ...HS256, kid: '../../dev/null' }, whole, '')],
    ['a header that names a key by SQL', forged({ ...HS256, kid: "' OR 1=1 --" }, whole)],
    ['a header that says where its key is', forged({ ...HS256, jku: 'http://127.0.0.1/keys' }, whole)],
    ['a header with the same members in another order', forged({ typ: 'JWT', alg: 'HS256' }, whole)],
    ['wrong audience', forged(HS256, { ...whole, aud: 'naru-2' })],
    ['our audience among others', forged(HS256, { ...whole, aud: ['naru-1', 'naru-2'] })],
    ['no audience', forged(HS256, { ...whole, aud: undefined })],
    ['wrong issuer', forged(HS256, { ...whole, iss: 'naru-2' })],
    ['no issuer', forged(HS256, { ...whole, iss: undefined })],
    ['expired', forged(HS256, { ...whole, exp: NOW / 1000 })],
    ['no end', forged(HS256, { ...whole, exp: undefined })],
    ['an end that is no number', forged(HS256, { ...whole, exp: 'never' })],
    ['not yet valid', forged(HS256, { ...whole, nbf: NOW / 1000 + 1 })],
    ['no beginning', forged(HS256, { ...whole, nbf: undefined })],
    [
      'scope widened',
      `${header}.${encode({ ...whole, access: [{ ...SCOPE, actions: ['pull', 'push', 'delete'] }] })}.${signature}`,
    ],
    ['other repository', `${header}.${encode({ ...whole, access: [{ ...SCOPE, name: 'team/other' }] })}.${signature}`],
    ['other account', `${header}.${encode({ ...whole, sub: 'root' })}.${signature}`],
    ['truncated signature', token.slice(0, -1)],
    ['half a signature', `${header}.${payload}.${signature.slice(0, 22)}`],
    ['empty signature', `${header}.${payload}.`],
    ['no signature', `${header}.${payload}`],
    ['truncated payload', `${header}.${payload.slice(0, -4)}.${signature}`],
    ['a fourth part', `${token}.${signature}`],
    ['an empty fourth part', `${token}.`],
    ['a part before', `.${token}`],
    ['two tokens', `${token},${token}`],
    ['padding', `${token}=`],
    [
      'the signature in another spelling of base64',
      `${header}.${payload}.${signature.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}`,
    ],
    ['the signature as hex', `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('hex')}`],
    ['white space', `${header}.${payload}.${signature} `],
    ['an encrypted one (five parts)', `${encode({ alg: 'dir', enc: 'A256GCM' })}....`],
    ['nothing', ''],
    ['dots', '..'],
    ['very long', `${header}.${'A'.repeat(1_000_000)}.${signature}`],
  ])('is worth nothing: %s', (_name, bad) => {
    expect(verifyToken(issuer, bad, NOW)).toBeNull()
  })

  it('is worth nothing before its time and after it', () => {
    expect(verifyToken(issuer, token, NOW - 1)).toBeNull()
    expect(verifyToken(issuer, token, NOW + 300_000)).toBeNull()
  })

  it('with any one character changed is worth nothing, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.integer({ min: 33, max: 126 }), (at, code) => {
        const letter = String.fromCharCode(code)
        fc.pre(token[at] !== letter)
        expect(verifyToken(issuer, token.slice(0, at) + letter + token.slice(at + 1), NOW)).toBeNull()
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(verifyToken(issuer, text, NOW)).toBeNull()
      }),
    )
  })
})

describe('a token at the registry', () => {
  let registry: Awaited<ReturnType<typeof aGuardedRegistry>>
  let ci: string
  beforeAll(async () => {
    registry = await aGuardedRegistry()
    ci = await registry.robot('ci', 'team/**:all')
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  const at = (path: string, authorization: string, method = 'GET') =>
    fetch(registry.url + path, { method, headers: { Authorization: authorization } })

  it('is for the repository and the actions that it was asked for', async () => {
    const pull = await registry.token(ci, 'repository:team/a:pull')
    expect((await at('/v2/team/a/manifests/x', pull)).status).toBe(404)
    for (const [path, method] of [
      ['/v2/team/b/manifests/x', 'GET'],
      ['/v2/team/a/manifests/x', 'DELETE'],
      ['/v2/team/a/blobs/uploads/', 'POST'],
    ] as const) {
      const refused = await at(path, pull, method)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toMatch(
        /^Bearer .*scope="repository:team\/.*error="insufficient_scope"$/,
      )
    }
  })

  it.each([
    ['repository:team/a:pull,push,delete', 'repository:team/a:pull,push,delete'],
    ['repository:team/a:*', 'repository:team/a:pull,push,delete'],
    ['repository:team/a:push,admin', 'repository:team/a:push'],
    ['repository(plugin):team/a:pull', 'repository:team/a:pull'],
    ['repository:other:pull', ''],
    ['repository:team:pull', ''],
    ['repository:team/../other:pull', ''],
    ['repository:TEAM/a:pull', ''],
    ['repository:team/**:pull', ''],
    ['repository:*:pull', ''],
    ['registry:catalog:*', 'registry:catalog:*'],
    ['registry:everything:*', ''],
    ['account:root:admin', ''],
    [
      'repository:team/a:pull repository:team/b:push repository:x:pull',
      'repository:team/a:pull repository:team/b:push',
    ],
  ])('is given %s as far as it may: %s', async (asked, given) => {
    const token = await registry.token(ci, asked)
    const { access } = decode(token.split('.')[1] ?? '')
    expect(access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ')).toBe(given)
  })

  it('of another registry is worth nothing', async () => {
    await using other = await aGuardedRegistry()
    const token = await other.token(await other.robot('ci', 'all'), 'repository:team/a:pull')
    const refused = await at('/v2/team/a/manifests/x', token)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
  })

  it('ends after five minutes', async () => {
    const token = await registry.token(ci, 'repository:team/a:pull')
    registry.clock.move(270_000)
    expect((await at('/v2/team/a/manifests/x', token)).status).toBe(404)
    registry.clock.move(30_001)
    expect((await at('/v2/team/a/manifests/x', token)).status).toBe(401)
  })

  it('ends within a second of the removal of its account, of a narrower right, of a new secret and of the end of its account', async () => {
    const { change, clock } = registry
    const works = async (token: string) => (await at('/v2/team/a/manifests/x', token)).status === 404
    const ask = async (name: string) => registry.token(await registry.robot(name, 'all'), 'repository:team/a:pull')
    const ends = {
      removed: async (name: string) => change.remove('robot', name),
      narrowed: async (name: string) => change.setRights('robot', name, [{ repositories: 'b/*', actions: ['pull'] }]),
      renewed: async (name: string) => change.renewToken(name, null),
    }
    for (const [name, end] of Object.entries(ends)) {
      const token = await ask(name)
      expect(await works(token)).toBe(true)
      await end(name)
      clock.move(1000)
      expect(await works(token)).toBe(false)
    }
    // Removed and made again under the same name: what the old one was given is not the new one's.
    const before = await ask('again')
    await change.remove('robot', 'again')
    await registry.robot('again', 'all')
    clock.move(1000)
    expect(await works(before)).toBe(false)
    const short = await change.addRobot('short', [{ repositories: '**', actions: ['pull'] }], clock.now() + 60_000)
    const token = await registry.token(`Basic ${btoa(`short:${short}`)}`, 'repository:team/a:pull')
    expect(await works(token)).toBe(true)
    clock.move(60_000)
    expect(await works(token)).toBe(false)
    await expect(registry.token(`Basic ${btoa(`short:${short}`)}`)).rejects.toThrow('401')
  })
})
