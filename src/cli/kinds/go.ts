import { healthPath, healthRequest } from './health-path.ts'
import {
  cacheMount,
  dockerfile,
  execForm,
  healthcheck,
  type HealthPath,
  IGNORED_ALWAYS,
  ORDINARY_USER,
  PORT,
  type ProjectFiles,
  type Proposal,
  type Unready,
} from './kind.ts'

const MODULES = cacheMount('/go/pkg/mod')
const BUILDS = cacheMount('/go/pkg/mod', '/root/.cache/go-build')

/** What asks in an image that has nothing else: 2 MB, the standard library without net/http. */
const healthProgram = ({ path, failsFrom }: ReturnType<typeof healthRequest>): string => `package main

import ("bufio"; "fmt"; "net"; "os"; "time")

func main() {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+os.Getenv("PORT"), 3*time.Second)
	if err != nil { os.Exit(1) }
	c.SetDeadline(time.Now().Add(3 * time.Second))
	fmt.Fprint(c, "GET ${path} HTTP/1.0\\r\\n\\r\\n")
	var protocol string
	var status int
	if _, err := fmt.Fscan(bufio.NewReader(c), &protocol, &status); err != nil || status >= ${failsFrom} { os.Exit(1) }
}`

/** A Go module with one main package: the module's root, or the only folder of cmd/. */
export function findGo(files: ProjectFiles): Proposal | Unready | null {
  const module = files.texts['go.mod']
  if (module === undefined) return null
  const mains = mainPackages(files)
  const [main] = mains
  if (main === undefined || mains.length > 1) {
    const found =
      main === undefined ? 'no package main is in the root or in cmd/*' : `these are programs: ${mains.join(', ')}`
    return {
      kind: 'go',
      because: 'go.mod',
      missing: `${found}: write the Dockerfile by hand (docs/init.md has one for Go)`,
    }
  }
  const health = healthPath(files)
  const version = /^go\s+(\d+\.\d+)/m.exec(module)?.[1]
  const image = version === undefined ? 'golang:1' : `golang:${version}`
  return {
    kind: 'go',
    because: 'go.mod',
    what: `${image} to scratch, runs ${main}`,
    dockerfile: dockerfile(buildStage(files, image, main, health), finalStage()),
    readiness: health ?? 'connect',
    ignore: IGNORED_ALWAYS,
    notes: [],
  }
}

function mainPackages({ names, texts }: ProjectFiles): readonly string[] {
  const isMain = (name: string) =>
    /^(?:cmd\/[^/]+\/)?[^/]+(?<!_test)\.go$/.test(name) && /^package main\b/m.test(texts[name] ?? '')
  const folders = names
    .filter(isMain)
    .map((name) => (name.includes('/') ? `./${name.slice(0, name.lastIndexOf('/'))}` : '.'))
  return [...new Set(folders)].sort()
}

function buildStage(
  { names }: ProjectFiles,
  image: string,
  main: string,
  health: HealthPath | null,
): readonly string[] {
  const vendored = names.includes('vendor/modules.txt')
  const sum = names.includes('go.sum') ? ' go.sum' : ''
  return [
    `FROM ${image} AS build`,
    'ENV CGO_ENABLED=0',
    '# What the HEALTHCHECK runs: the image has no shell.',
    "COPY <<'EOF' /health/main.go",
    healthProgram(healthRequest(health)),
    'EOF',
    `RUN ${BUILDS} mkdir -p -m 1777 /root-folder/tmp && mkdir -p /root-folder/etc/ssl/certs \\`,
    ' && cp /etc/ssl/certs/ca-certificates.crt /root-folder/etc/ssl/certs/ \\',
    ' && go build -trimpath -ldflags="-s -w" -o /root-folder/health /health/main.go',
    'WORKDIR /src',
    ...(vendored ? [] : [`COPY go.mod${sum} ./`, `RUN ${MODULES} go mod download`]),
    'COPY . .',
    `RUN ${BUILDS} go build -trimpath -tags timetzdata -ldflags="-s -w" -o /out/app ${main}`,
  ]
}

const finalStage = (): readonly string[] => [
  'FROM scratch',
  `ENV PORT=${PORT}`,
  'COPY --from=build /root-folder /',
  'COPY --from=build /out/app /app',
  `USER ${ORDINARY_USER}`,
  `EXPOSE ${PORT}`,
  healthcheck(['/health']),
  '# The program must listen on the PORT that it is given, and end on SIGTERM.',
  `CMD ${execForm(['/app'])}`,
]
