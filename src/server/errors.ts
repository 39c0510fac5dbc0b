import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { ErrorBody } from '../api/responses.ts'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'

/** One error shape for everything: status and body are looked up here, at the edge, and nowhere else. */
export function sendError(thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = asFailure(thrown, request)
  return sendFailure(failure, request, reply, httpStatus(thrown))
}

/** What is not there. */
export function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const thrown = new DeployError(
    'REQUEST_INVALID',
    `${request.method} ${request.url.split('?')[0]} is not part of the API`,
    {
      hint: 'See GET /openapi.json. A newer command line may need a newer server: naru version.',
    },
  )
  return sendFailure(thrown, request, reply, 404)
}

/** `status` null: the one of the failure's code. */
function sendFailure(thrown: Error, request: FastifyRequest, reply: FastifyReply, status: number | null): FastifyReply {
  const { code, message, hint, detail } = failureReport(thrown)
  const body: ErrorBody = { errors: [{ code, message, hint, detail: { ...detail } }] }
  // Nobody waits for the rest of a body that is not wanted.
  if (!request.raw.complete) reply.header('connection', 'close')
  return reply.code(status ?? FAILURES[code].status).send(body)
}

function asFailure(thrown: FastifyError | Error, request: FastifyRequest): Error {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const [first] = thrown.validation
    const place = `${first?.instancePath.replaceAll('/', '.').replace(/^\./, '') ?? ''}`
    return new DeployError(
      'REQUEST_INVALID',
      `${request.method} ${request.url}: ${place} ${first?.message ?? 'is not valid'}`,
      {
        hint: 'See GET /openapi.json for the shape of this request.',
      },
    )
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
