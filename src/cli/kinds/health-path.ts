import type { HealthPath, ProjectFiles } from './kind.ts'

/** The usual names; those that say that requests may come stand before those that only say that it lives. */
const NAMES = ['readyz', 'ready', 'healthz', 'health', 'up', 'livez']
/** Followed by the end of the string: `/health/:id` is another one. */
const PATH = new RegExp(`/(?:${NAMES.join('|')})(?=["'\`])`, 'g')

/** How a path is declared, by the text before it: a method of the application, an annotation, a comparison. */
const DECLARED = [
  /\b(?:app|application|server|fastify|mux|http|engine|e|r)\.(?:get|GET|Get|all|use|route|Handle|HandleFunc)\(\s*["'`](?:GET )?$/,
  /\bcreateContext\(\s*"$/,
  /@WebServlet\(\s*(?:(?:value|urlPatterns)\s*=\s*)?\{?\s*"$/,
  /@GetMapping\(\s*(?:(?:value|path)\s*=\s*)?\{?\s*"$/,
  /\b(?:url|pathname|path)\s*===?\s*["'`]$/,
  /\bcase ["'`]$/,
]
/** What may put the paths of a whole file below another one. */
const BELOW = /@RequestMapping\(|\.Route\(\s*"|\(\s*fastify\s*[,:)]/
const SPRING_ACTUATOR = /spring-boot-starter-actuator/
const TESTS = /(?:^|\/)(?:tests?|__tests__|spec)\/|[._](?:test|spec)\.\w+$|(?:^|\/)test_/

/** The path that the sources of a project declare for it; null: none that is sure. */
export function healthPath({ texts }: ProjectFiles): HealthPath | null {
  const found = Object.entries(texts).flatMap(([where, text]) => declared(where, text))
  const rank = ({ path }: HealthPath) => NAMES.indexOf(path.slice(1))
  return found.sort((one, other) => rank(one) - rank(other))[0] ?? null
}

/** What a HEALTHCHECK asks for, and which status is a failure: of `/`, which may be a login page or not there, only an error. */
export const healthRequest = (found: HealthPath | null): { readonly path: string; readonly failsFrom: number } =>
  found === null ? { path: '/', failsFrom: 500 } : { path: found.path, failsFrom: 400 }

function declared(where: string, text: string): readonly HealthPath[] {
  if (SPRING_ACTUATOR.test(text)) return [{ path: '/actuator/health', where }]
  if (TESTS.test(where) || BELOW.test(text)) return []
  return [...text.matchAll(PATH)].flatMap((match) => {
    const before = text.slice(Math.max(0, match.index - 80), match.index)
    return DECLARED.some((form) => form.test(before)) ? [{ path: match[0], where }] : []
  })
}
