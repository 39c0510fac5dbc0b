import { describe, expect, it } from 'vitest'
import { readDockerfile } from '../../build/dockerfile/stages.ts'
import { findKind } from './find-kind.ts'
import { isUnready } from './kind.ts'

type Texts = Readonly<Record<string, string>>

const find = (texts: Texts, kind: Parameters<typeof findKind>[1] = null) =>
  findKind({ names: Object.keys(texts), texts }, kind)?.taken ?? null

function fileOf(texts: Texts): string {
  const taken = find(texts)
  if (taken === null || isUnready(taken)) throw new Error(taken?.missing ?? 'no kind')
  return taken.dockerfile
}

const node = (manifest: object, more: Texts = {}): Texts => ({ 'package.json': JSON.stringify(manifest), ...more })
const START = { scripts: { start: 'node server.js' } }
const pom = (text: string): Texts => ({ 'pom.xml': `<project>${text}</project>` })
const MAIN = { 'src/main/java/a/Main.java': 'package a; class Main { public static void main(String[] args) {} }' }
const GO = { 'go.mod': 'module a\n\ngo 1.26.1\n', 'main.go': '// it\npackage main\n' }
const gradle = (text: string, more: Texts = {}): Texts => ({ 'build.gradle.kts': text, ...more })

/** Of each: a project, and what its Dockerfile has to say. */
const CASES: readonly (readonly [name: string, texts: Texts, ...wanted: readonly string[]])[] = [
  [
    'Node: no packages need no build stage',
    node(START),
    'FROM node:24-slim\n',
    'COPY . .',
    'CMD ["node", "server.js"]',
  ],
  [
    'Node: the lock file says which packages',
    node({ ...START, dependencies: { a: '1' } }, { 'package-lock.json': '' }),
    'COPY package.json package-lock.json ./',
    '--mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --omit=dev',
    'COPY --from=packages /app/node_modules ./node_modules',
  ],
  [
    'Node: a build has the packages that only it needs, and the program those that it needs',
    node({
      scripts: { ...START.scripts, build: 'tsc' },
      dependencies: { a: '1' },
      devDependencies: { typescript: '6' },
    }),
    'FROM manifests AS packages\nRUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund --omit=dev',
    'FROM manifests AS build\nRUN --mount=type=cache,target=/root/.npm npm install --no-audit --no-fund\nCOPY . .\nRUN npm run build',
    'COPY --from=packages /app/node_modules ./node_modules\nCOPY --from=build --exclude=node_modules /app ./',
  ],
  [
    'Node: what git hooks need is not installed',
    node({ scripts: { ...START.scripts, prepare: 'husky' }, dependencies: { a: '1' } }),
    'COPY package.json ./\nRUN npm pkg delete scripts.prepare\n',
  ],
  [
    'Node: a script after the installation may read all sources',
    node({ scripts: { ...START.scripts, postinstall: 'prisma generate' }, dependencies: { a: '1' } }),
    'WORKDIR /app\nCOPY . .\n\nFROM manifests AS packages',
  ],
  [
    'Node: pnpm of the version that packageManager names',
    node(
      { scripts: { ...START.scripts, build: 'tsc' }, dependencies: { a: '1' }, packageManager: 'pnpm@10.1.0+sha512.a' },
      { 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" },
    ),
    'RUN npm install --global --force --no-audit --no-fund pnpm@10.1.0\nCOPY package.json pnpm-lock.yaml ./',
    'target=/cache/pnpm pnpm install --frozen-lockfile --store-dir /cache/pnpm --prod',
    'RUN pnpm run build',
  ],
  [
    'Node: pnpm of a version that can read the lock file',
    node({ ...START, dependencies: { a: '1' } }, { 'pnpm-lock.yaml': "lockfileVersion: '6.0'\n" }),
    'pnpm@8\n',
  ],
  [
    'Node: yarn 1',
    node({ ...START, dependencies: { a: '1' } }, { 'yarn.lock': '' }),
    'yarn@1.22.22\nCOPY package.json yarn.lock ./',
    'target=/cache/yarn,sharing=locked yarn install --frozen-lockfile --non-interactive --cache-folder /cache/yarn --production',
  ],
  [
    'Node: yarn since 2',
    node(
      { ...START, dependencies: { a: '1' }, packageManager: 'yarn@4.9.1' },
      { 'yarn.lock': '', '.yarnrc.yml': '', '.yarn/install-state.gz': '' },
    ),
    '@yarnpkg/cli-dist@4.9.1\nENV YARN_NODE_LINKER=node-modules',
    'COPY package.json yarn.lock .yarnrc.yml ./',
    'yarn workspaces focus --all --production',
  ],
  [
    'Node: patches of yarn need all sources before',
    node({ ...START, dependencies: { a: '1' } }, { 'yarn.lock': '', '.yarnrc.yml': '', '.yarn/patches/a.patch': '' }),
    '@yarnpkg/cli-dist@4\n',
    'COPY . .\n\nFROM manifests AS packages',
  ],
  [
    'Node: workspaces need all sources before',
    node({ scripts: { ...START.scripts, build: 'tsc' }, workspaces: ['a'] }),
    'WORKDIR /app\nCOPY . .\n\nFROM manifests AS packages',
    'npm install --no-audit --no-fund\nRUN npm run build',
  ],
  ['Node: the version of .nvmrc', node(START, { '.nvmrc': 'v22.3\n' }), 'FROM node:22-slim'],
  ['Node: at least a version of engines', node({ ...START, engines: { node: '>=20' } }), 'FROM node:24-slim'],
  ['Node: a version of engines', node({ ...START, engines: { node: '^22.1' } }), 'FROM node:22-slim'],
  [
    'Node: a program of a package',
    node({ scripts: { start: 'next start' }, dependencies: { next: '16' } }),
    'CMD ["node_modules/.bin/next", "start"]',
  ],
  [
    'Node: a start script that needs a shell: main',
    node({ scripts: { start: 'node a.js | tee log' }, main: 'b.js' }),
    'CMD ["node", "b.js"]',
  ],
  [
    'Node: a start script that needs a shell: npm',
    node({ scripts: { start: 'A=1 node a.js' } }),
    'CMD ["npm", "start"]',
  ],
  ['Node: the likeliest file', node({}, { 'index.js': '', 'server.mjs': '' }), 'CMD ["node", "server.mjs"]'],
  [
    'Maven: a jar with the only main class',
    { ...pom('<properties><maven.compiler.release>17</maven.compiler.release></properties>'), ...MAIN },
    'FROM maven:3-eclipse-temurin-17 AS build',
    'FROM eclipse-temurin:17-jre',
    'CMD ["java", "-XX:MaxRAMPercentage=75", "-cp", "app.jar:lib/*", "a.Main"]',
  ],
  ['Maven: a main class that is written', { ...pom('<mainClass>b.Start</mainClass>'), ...MAIN }, '"b.Start"]'],
  [
    'Maven: Java 1.8',
    { ...pom('<java.version>1.8</java.version><mainClass>b.B</mainClass>') },
    'eclipse-temurin:8-jre',
  ],
  [
    'Maven: a jar with all in it',
    pom('<artifactId>maven-shade-plugin</artifactId>'),
    'CMD ["java", "-XX:MaxRAMPercentage=75", "-jar", "app.jar"]',
  ],
  [
    'Maven: Spring Boot',
    pom(
      '<parent><artifactId>spring-boot-starter-parent</artifactId> <version>3.1.4</version></parent><artifactId>spring-boot-maven-plugin</artifactId>',
    ),
    '-Dserver.port=$PORT -cp /app org.springframework.boot.loader.JarLauncher',
  ],
  [
    'Maven: a WAR of Jakarta',
    pom('<packaging>war</packaging><a>jakarta.servlet</a>'),
    'FROM tomcat:10-jre21',
    'COPY --from=build /out webapps/ROOT',
    'CMD ["catalina.sh", "run"]',
  ],
  ['Maven: a WAR of Java EE', pom('<packaging>war</packaging><groupId>javax.servlet</groupId>'), 'FROM tomcat:9-jre21'],
  [
    'Maven: what is in comments does not count',
    pom('<!-- <packaging>war</packaging> --><mainClass>b.B</mainClass>'),
    'eclipse-temurin:21-jre',
  ],
  [
    'Gradle: application by its wrapper',
    gradle('application { mainClass.set("a.Main") }', { gradlew: '' }),
    'FROM eclipse-temurin:21-jdk AS build',
    'sh ./gradlew --no-daemon -q installDist',
    '"lib/*", "a.Main"]',
  ],
  [
    'Gradle: Spring Boot',
    gradle('id("org.springframework.boot") version "3.4.1"\nJavaLanguageVersion.of(17)'),
    'FROM gradle:8-jdk17 AS build',
    'bootJar',
    'org.springframework.boot.loader.launch.JarLauncher',
  ],
  ['Gradle: a WAR', gradle('plugins {\n  war\n}'), 'FROM tomcat:10-jre21', 'gradle --no-daemon -q war'],
  [
    'Go: the root',
    GO,
    'FROM golang:1.26 AS build',
    'COPY go.mod ./',
    '-o /out/app .\n',
    'FROM scratch',
    'CMD ["/app"]',
  ],
  [
    'Go: the only folder of cmd',
    { 'go.mod': 'module a\n', 'go.sum': '', 'a.go': 'package a\n', 'cmd/x/main.go': 'package main\n' },
    'golang:1 AS build',
    'COPY go.mod go.sum ./',
    '-o /out/app ./cmd/x\n',
  ],
  [
    'Python: FastAPI',
    { 'requirements.txt': 'fastapi\nuvicorn[standard]==0.34\n', 'app/main.py': 'api = FastAPI()\n' },
    'exec uvicorn app.main:api --host 0.0.0.0',
    'pip install --disable-pip-version-check -r requirements.txt\n',
  ],
  [
    'Python: Flask without a server',
    { 'requirements.txt': 'Flask\n', 'app.py': 'app = Flask(__name__)\n' },
    '-r requirements.txt gunicorn\n',
    '"gunicorn", "--worker-tmp-dir", "/dev/shm", "--access-logfile", "-", "app:app"',
  ],
  [
    'Python: Django',
    { 'requirements.txt': 'django\ngunicorn\n', 'manage.py': '', 'shop/wsgi.py': '' },
    '"shop.wsgi:application"',
  ],
  ['Python: a program', { 'requirements.txt': '', 'server.py': '' }, 'CMD ["python", "server.py"]'],
  [
    'Python: pyproject.toml',
    {
      'pyproject.toml': '[project]\nrequires-python = "==3.12.*"\ndependencies = ["flask", "gunicorn"]\n',
      'app.py': 'app = Flask(__name__)\n',
    },
    'FROM python:3.12-slim',
    'COPY pyproject.toml ./',
    '-r requirements.txt\n',
  ],
  [
    'Python: the version of .python-version',
    { 'requirements.txt': '', '.python-version': '3.11.7\n', 'main.py': '' },
    'FROM python:3.11-slim',
  ],
  [
    'a site as it is',
    { 'public/index.html': '' },
    'FROM nginxinc/nginx-unprivileged:stable-alpine',
    'COPY public /usr/share/nginx/html',
    'STOPSIGNAL SIGQUIT',
  ],
  [
    'a site that is built',
    node({ scripts: { build: 'vite build' }, devDependencies: { vite: '7' } }, { 'index.html': '' }),
    'RUN npm run build',
    'COPY --from=build /app/dist /usr/share/nginx/html',
  ],
]

describe.each(CASES.map(([name, texts, ...wanted]) => ({ name, texts, wanted })))('$name', ({ texts, wanted }) => {
  it('is in the Dockerfile', () => {
    const text = fileOf(texts)
    for (const part of wanted) expect(text).toContain(part)
  })

  it('has an ordinary user by number, a port, a health check, and a command in exec form', () => {
    const last =
      fileOf(texts)
        .split(/^FROM /m)
        .at(-1) ?? ''
    expect(last).toMatch(/^USER (65532:65532|101:101)$/m)
    expect(last).toMatch(/^EXPOSE 8080$/m)
    const { stages } = readDockerfile(fileOf(texts), 'Dockerfile')
    const forms = (stages.at(-1)?.instructions ?? []).flatMap((one) =>
      one.kind === 'healthcheck' || one.kind === 'cmd' ? [`${one.kind} ${one.command?.form}`] : [],
    )
    expect(forms).toEqual(last.startsWith('nginxinc/') ? ['healthcheck exec'] : ['healthcheck exec', 'cmd exec'])
  })

  it('builds and installs in stages of its own, of which the image has what it copies', () => {
    const { stages } = readDockerfile(fileOf(texts), 'Dockerfile')
    const names = stages.map(({ from }) => from.name)
    const copied = stages.flatMap(({ instructions }) =>
      instructions.flatMap((one) => (one.kind === 'copy' && one.from !== null ? [one.from] : [])),
    )
    for (const name of copied) expect(names).toContain(name)
    const runs = (stages.at(-1)?.instructions ?? []).filter(({ kind }) => kind === 'run').map(({ text }) => text)
    // Tomcat is told its port.
    for (const text of runs) expect(text).toMatch(/^RUN sed /)
  })
})

it.each<[string, Texts, string, string]>([
  [
    'a path that is known',
    { ...GO, 'main.go': 'package main\nhttp.HandleFunc("/readyz", ok)' },
    '/readyz',
    'status >= 400',
  ],
  ['the root', GO, 'connect', 'status >= 500'],
  [
    'the image where gunicorn listens too early',
    { 'requirements.txt': 'gunicorn\n', 'app.py': 'app = Flask(__name__)\n' },
    'image',
    'status>=500',
  ],
  ['the image where Tomcat listens too early', pom('<packaging>war</packaging>'), 'image', '-lt 500'],
  [
    'a path of Node',
    node(START, { 'server.js': "app.get('/healthz', ok)" }),
    '/healthz',
    'PORT+\\"/healthz\\").then(r=>process.exit(r.status<400',
  ],
])('asks %s', (_name, texts, readiness, wanted) => {
  const taken = find(texts)
  if (taken === null || isUnready(taken)) throw new Error('no kind')
  expect(typeof taken.readiness === 'string' ? taken.readiness : taken.readiness.path).toBe(readiness)
  expect(taken.dockerfile).toContain(wanted)
})

it.each<[string, Texts, RegExp]>([
  ['a package with nothing to start', node({}), /"start"/],
  ['a damaged package.json', { 'package.json': '{' }, /no JSON/],
  ['modules of Maven', pom('<modules>'), /modules/],
  ['a jar without a main class', pom(''), /exec\.mainClass/],
  ['two main classes', { ...pom(''), ...MAIN, 'src/main/java/B.java': 'static void main()' }, /exec\.mainClass/],
  ['Quarkus', pom('<artifactId>quarkus-maven-plugin</artifactId>'), /Dockerfile\.jvm/],
  ['a POM as packaging', pom('<packaging>ear</packaging>'), /packaging ear/],
  ['a Go library', { 'go.mod': 'module a\n', 'a.go': 'package a\n' }, /no package main/],
  ['two Go programs', { ...GO, 'cmd/x/main.go': 'package main\n' }, /\., \.\/cmd\/x/],
  ['Python without a program', { 'requirements.txt': 'a\n' }, /no program was found/],
  ['Poetry without [project]', { 'pyproject.toml': '[tool.poetry]\n', 'main.py': '' }, /poetry export/],
  ['Gradle without a program', gradle('plugins { java }'), /application/],
])('says what is missing: %s', (_name, texts, wanted) => {
  expect(find(texts)).toMatchObject({ missing: expect.stringMatching(wanted) })
})

it('takes compiled languages before the tools of package.json, and what was asked for before all', () => {
  const texts = { ...GO, ...node(START) }
  expect(find(texts)?.kind).toBe('go')
  expect(find(texts, 'node')?.kind).toBe('node')
  expect(find(texts, 'maven')).toBeNull()
})

it('takes a whole kind before one that lacks something', () => {
  expect(find({ 'requirements.txt': 'a\n', ...node(START) })?.kind).toBe('node')
})

it('finds nothing where nothing is', () => {
  expect(findKind({ names: ['notes.txt'], texts: {} }, null)).toBeNull()
})
