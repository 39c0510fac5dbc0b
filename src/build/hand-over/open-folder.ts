import type { BuildRequest } from '../builder.ts'
import { type BuildContext, openContext } from '../context/build-context.ts'

/** The work tree of a build that may be handed over: other tools read folders. */
export function folderOf({ root }: BuildRequest): string {
  if (typeof root === 'string') return root
  throw new TypeError('a commit that is not laid out cannot be handed over')
}

/** Opens the context of such a build. */
export function openFolder(request: BuildRequest): Promise<BuildContext> {
  return openContext(folderOf(request), request, () => {
    throw new TypeError('a folder needs no temporary one')
  })
}
