import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { ErrorBody } from '../api/responses.ts'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'

/** Takes out of a text what must not be told, such as a token that was written into a URL by mistake. */
type Redact = (text: string) => string

/** One error shape for everything: status and body are looked up here, at the edge, and nowhere else. */
export const sendError =
  (redact: Redact) =>
  (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    sendFailure(asFailure(thrown, request), request, reply, httpStatus(thrown), redact)

/** What is not there. */
export const sendNotFound =
  (redact: Redact) =>
  (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const thrown = new DeployError('REQUEST_INVALID', `${called(request)} is not part of the API`, {
      hint: 'See GET /openapi.json. A newer command line may need a newer server: naru version.',
    })
    return sendFailure(thrown, request, reply, 404, redact)
  }

/** Without the query, which may hold anything. */
const called = ({ method, url }: FastifyRequest): string => `${method} ${url.split('?')[0]}`

/** `status` null: the one of the failure's code. */
function sendFailure(
  thrown: Error,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number | null,
  redact: Redact,
): FastifyReply {
  const { code, message, hint, detail } = failureReport(thrown)
  const facts = Object.entries(detail).map(([key, fact]) => [key, typeof fact === 'string' ? redact(fact) : fact])
  const body: ErrorBody = {
    errors: [{ code, message: redact(message), hint: redact(hint), detail: Object.fromEntries(facts) }],
  }
  // Nobody waits for the rest of a body that is not wanted.
  if (!request.raw.complete) reply.header('connection', 'close')
  return reply.code(status ?? FAILURES[code].status).send(body)
}

function asFailure(thrown: FastifyError | Error, request: FastifyRequest): Error {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const [first] = thrown.validation
    const place = `${first?.instancePath.replaceAll('/', '.').replace(/^\./, '') ?? ''}`
    return new DeployError('REQUEST_INVALID', `${called(request)}: ${place} ${first?.message ?? 'is not valid'}`, {
      hint: 'See GET /openapi.json for the shape of this request.',
    })
  }
  if (httpStatus(thrown) === null) return thrown
  return new DeployError('REQUEST_INVALID', thrown.message, {
    hint: 'See GET /openapi.json for the shape of this request.',
  })
}

/** What HTTP itself has a status for: a body that is too large, a content type that nobody reads; null: anything else. */
function httpStatus(thrown: FastifyError | Error): number | null {
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  return thrown instanceof DeployError || status === undefined || status >= 500 ? null : status
}
