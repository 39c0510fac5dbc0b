import { timingSafeEqual, createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { DeployError } from '../model/failure.ts'

/** Whether a request carries the server's token: `Authorization: Bearer TOKEN`, or Basic with the token as password (registry clients). */
export function carriesToken(request: Pick<FastifyRequest, 'headers'>, token: string): boolean {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ')
  const given = scheme.toLowerCase() === 'basic' ? passwordOf(value) : value
  return timingSafeEqual(hash(given), hash(token))
}

/** Throws TOKEN_INVALID. */
export function requireToken(request: FastifyRequest, token: string): void {
  if (carriesToken(request, token)) return
  const isGiven = (request.headers.authorization ?? '') !== ''
  throw new DeployError(
    'TOKEN_INVALID',
    isGiven ? 'this is not the token of this server' : 'this server wants a token',
    {
      hint: 'Set NARU_TOKEN to the token that the server was started with (without --token-file: the file token in its data folder).',
    },
  )
}

/** Takes the token out of a text, as it is and as a URL writes it. */
export function redactToken(token: string): (text: string) => string {
  const forms = [token, encodeURIComponent(token), encodeURI(token)]
  return (text) => forms.reduce((shown, form) => shown.replaceAll(form, '…'), text)
}

const passwordOf = (basic: string): string => {
  const text = Buffer.from(basic, 'base64').toString('utf8')
  return text.slice(text.indexOf(':') + 1)
}

/** Equal lengths, so that the comparison tells nothing about the token. */
const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
