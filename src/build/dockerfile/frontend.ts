import type { Directives } from './directives.ts'
import { notSupported } from './place.ts'

/** The frontend of Dockerfiles themselves, of any version and channel: what it reads is read here. */
const DOCKERFILE = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/

/**
 * The frontend of its own that a file asks for: `# syntax=`, or the build argument BUILDKIT_SYNTAX, which goes first. null: it
 * is a Dockerfile.
 */
export function foreignFrontend({ syntax }: Directives, given: string | undefined): string | null {
  const asked = given === undefined || given === '' ? syntax : given
  // The rest of the line after the image is the frontend's own.
  const image = asked?.trim().split(/\s+/)[0] ?? ''
  return image === '' || DOCKERFILE.test(image) ? null : image
}

/**
 * Refuses a file that asks for a frontend of its own (`# syntax=`, or the build argument BUILDKIT_SYNTAX, which goes first):
 * such an image is a program that would read the file in another way. Throws DOCKERFILE_NOT_SUPPORTED.
 */
export function refuseFrontend(
  directives: Directives,
  file: string,
  lines: readonly string[],
  given: string | undefined,
) {
  const image = foreignFrontend(directives, given)
  if (image === null) return
  const line = lines.findIndex((text) => /^#\s*syntax\s*=/i.test(text)) + 1
  const hint =
    'Leave it out if this is a Dockerfile; or write build: { with: auto } in naru.yaml, to hand the build to BuildKit.'
  throw notSupported(
    { file, line: Math.max(line, 1), column: 1 },
    `the frontend ${image.slice(0, 100)} is not run here`,
    hint,
  )
}
