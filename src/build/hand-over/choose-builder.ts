import { DeployError } from '../../model/failure.ts'
import type { Builder, BuildRequest } from '../builder.ts'
import { readDirectives } from '../dockerfile/directives.ts'
import { foreignFrontend } from '../dockerfile/frontend.ts'
import { handOverBuilder, type HandOverOptions } from './hand-over-builder.ts'
import { openFolder } from './open-folder.ts'
import type { Tool } from './tool-commands.ts'

/**
 * The builder that each request names: our own, or a tool of this machine. 'auto' is our own, and BuildKit for a file that asks
 * for a frontend of its own. Throws KEY_NOT_SUPPORTED for what is not handed over.
 */
export function chooseBuilder(own: Builder, options: HandOverOptions): Builder {
  return {
    async build(request, report, signal) {
      const tool = await toolFor(request)
      if (tool === null) return own.build(request, report, signal)
      if (tool === 'buildah' && (request.platforms ?? []).length > 1) throw onePlatform()
      return handOverBuilder(tool, options).build(request, report, signal)
    },
  }
}

async function toolFor(request: BuildRequest): Promise<Tool | null> {
  const { dockerfile, args, with: asked = 'naru' } = request
  if (asked === 'naru') return null
  if (asked !== 'auto') return asked
  const opened = await openFolder(request)
  opened.close()
  const directives = readDirectives(opened.dockerfile.split(/\r?\n/), dockerfile)
  return foreignFrontend(directives, args.BUILDKIT_SYNTAX) === null ? null : 'buildkit'
}

/** Its cache knows no platforms: the second one may get the layers, or the whole image, of the first (buildah 1.28). */
const onePlatform = () =>
  new DeployError('KEY_NOT_SUPPORTED', 'build.platforms with more than one is not handed over to buildah', {
    hint: 'Name one platform, or choose another builder: build.with docker, buildkit, or none for that of Naru.',
    detail: { tool: 'buildah' },
  })
