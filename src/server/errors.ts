import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { ErrorBody } from '../api/responses.ts'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'

/** One error shape for everything: status and body are looked up here, at the edge, and nowhere else. */
export function sendError(thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = failureReport(asFailure(thrown, request))
  const { code, message, hint, detail } = failure
  const body: ErrorBody = { errors: [{ code, message, hint, detail: { ...detail } }] }
  return reply.code(FAILURES[code].status).send(body)
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
  return sendError(thrown, request, reply).code(404)
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
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  if (thrown instanceof DeployError || status === undefined || status >= 500) return thrown
  return new DeployError('REQUEST_INVALID', thrown.message, {
    hint: 'See GET /openapi.json for the shape of this request.',
  })
}
