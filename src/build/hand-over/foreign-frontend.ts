import { readDirectives } from '../dockerfile/directives.ts'
import { isDockerfileFrontend } from '../dockerfile/frontend.ts'
import { type Place, syntaxError } from '../dockerfile/place.ts'

/** The frontend that `# syntax=` names, when it is another language than Dockerfiles; null: this builder reads it. */
export function foreignFrontend(text: string, file: string): string | null {
  const { syntax } = readDirectives(text.split(/\r?\n/), file)
  return syntax === null || isDockerfileFrontend(syntax) ? null : syntax
}

/** DOCKERFILE_SYNTAX at the first line. */
export function frontendNeeded(frontend: string, file: string) {
  const place: Place = { file, line: 1, column: 1 }
  const hint = 'Write build: { with: auto } in naru.yaml, to hand the build to BuildKit or docker with buildx.'
  return syntaxError(place, `# syntax=${frontend} is a language of its own`, hint)
}
