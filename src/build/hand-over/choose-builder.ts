import type { Builder, BuildRequest } from '../builder.ts'
import { openContext } from '../context/build-context.ts'
import { foreignFrontend, frontendNeeded } from './foreign-frontend.ts'
import { handOverBuilder, type HandOverOptions } from './hand-over-builder.ts'
import type { Tool } from './tool-commands.ts'

/**
 * The builder that each request names: our own, or a tool of this machine. 'auto' is our own, and BuildKit for a Dockerfile whose
 * `# syntax=` names a language of its own; our own refuses such a file. Throws DOCKERFILE_SYNTAX.
 */
export function chooseBuilder(own: Builder, options: HandOverOptions): Builder {
  return {
    async build(request, report, signal) {
      const tool = toolFor(request)
      if (tool === null) return own.build(request, report, signal)
      return handOverBuilder(tool, options).build(request, report, signal)
    },
  }
}

function toolFor({ root, context, dockerfile, with: asked = 'naru' }: BuildRequest): Tool | null {
  if (asked !== 'naru' && asked !== 'auto') return asked
  const opened = openContext(root, context, dockerfile)
  opened.close()
  const frontend = foreignFrontend(opened.dockerfile, dockerfile)
  if (frontend === null) return null
  if (asked === 'naru') throw frontendNeeded(frontend, dockerfile)
  return 'buildkit'
}
