import { expect, it } from 'vitest'
import { healthPath } from './health-path.ts'

const found = (texts: Readonly<Record<string, string>>) => healthPath({ names: Object.keys(texts), texts })

it.each<[string, string, string, string]>([
  ['Express', 'src/server.ts', "app.get('/healthz', (request, response) => response.send('ok'))", '/healthz'],
  ['Node alone', 'server.mjs', "if (request.url === '/health') return response.end('ok')", '/health'],
  ['a switch', 'server.mjs', "switch (pathname) { case '/up': return ok() }", '/up'],
  ['net/http', 'main.go', 'http.HandleFunc("GET /readyz", ready)', '/readyz'],
  ['chi', 'cmd/a/main.go', 'r.Get("/healthz", ok)', '/healthz'],
  ['FastAPI', 'app/main.py', '@app.get("/health", include_in_schema=False)', '/health'],
  ['Flask', 'app.py', "@app.route('/livez')", '/livez'],
  ['a servlet', 'src/main/java/A.java', '@WebServlet(urlPatterns = {"/healthz"})', '/healthz'],
  ['Spring', 'src/main/java/A.java', '@GetMapping("/health")', '/health'],
  ['the JDK’s server', 'src/main/java/A.java', 'server.createContext("/healthz", exchange -> {})', '/healthz'],
  ['Spring’s actuator', 'pom.xml', '<artifactId>spring-boot-starter-actuator</artifactId>', '/actuator/health'],
])('is the one that a program of %s declares', (_name, where, text, path) => {
  expect(found({ [where]: text })).toEqual({ path, where })
})

it.each<[string, string, string]>([
  ['a call of another service', 'a.ts', "await fetch(other + '/healthz'); client.get('/healthz')"],
  ['a longer path', 'a.ts', "app.get('/health/:id', show); app.get('/healthcare', show)"],
  ['a router that may stand below another path', 'a.ts', "router.get('/healthz', ok)"],
  [
    'a plugin of fastify, which may have a prefix',
    'a.ts',
    "async function routes(fastify, options) { fastify.get('/health', ok) }",
  ],
  ['routes of chi below a path', 'main.go', 'r.Route("/v1", func(r chi.Router) { r.Get("/health", ok) })'],
  ['a controller with a path of its own', 'src/main/java/A.java', '@RequestMapping("/api") @GetMapping("/health")'],
  ['a test', 'test/app.test.ts', "app.get('/healthz', ok)"],
])('is not guessed by %s', (_name, where, text) => {
  expect(found({ [where]: text })).toBeNull()
})

it('says that requests may come, rather than that the program lives', () => {
  expect(found({ 'a.ts': "app.get('/livez', ok); app.get('/health', ok)", 'b.ts': "app.get('/ready', ok)" })).toEqual({
    path: '/ready',
    where: 'b.ts',
  })
})
