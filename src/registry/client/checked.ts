import { isDigest } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { isTag } from '../../model/reference.ts'

export const isReference = (text: string) => isTag(text) || isDigest(text)

/** The text, if it is what it must be: it becomes part of a path. Throws REFERENCE_INVALID. */
export function checked(text: string, is: (text: string) => boolean): string {
  if (is(text)) return text
  throw new DeployError('REFERENCE_INVALID', `${JSON.stringify(text.slice(0, 100))} is no name, tag or digest`, {
    hint: 'See the grammar of names, tags and digests in the OCI distribution specification.',
  })
}
