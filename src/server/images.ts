import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { baseImageRequest, pruneRequest } from '../api/requests.ts'
import { baseImageBody, imagesBody, pruneBody } from '../api/responses.ts'
import type { ServerContext } from './server-context.ts'

/** Images of the embedded registry; pulling and pushing goes through /v2/. */
export const imageRoutes =
  ({ images, makeBaseImage, prune, signal }: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    server.get(
      '/v1/images',
      { schema: { summary: 'Repositories and tags', response: { 200: imagesBody } } },
      async () => {
        const repositories = await images.repositories(signal)
        const tagged = repositories.map(async (repository) => ({
          repository,
          tags: [...(await images.tags(repository, signal))],
        }))
        return { images: await Promise.all(tagged) }
      },
    )
    server.post(
      '/v1/images/base',
      {
        schema: {
          summary: 'An image from a program of this machine',
          body: baseImageRequest,
          response: { 200: baseImageBody },
        },
      },
      (request) => makeBaseImage(request.body, signal),
    )
    server.post(
      '/v1/images/prune',
      {
        schema: {
          summary: 'Free what no release, tag or running build needs',
          body: pruneRequest,
          response: { 200: pruneBody },
        },
      },
      (request) => prune(request.body, signal),
    )
  }
