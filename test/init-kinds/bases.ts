import { existsSync, readdirSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { dockerfileBuilder } from '../../src/build/dockerfile-builder.ts'
import { basesOf, never } from '../../src/build/testing.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { call } from '../peers/call.ts'
import { debianPackages } from '../peers/debian-packages.ts'
import { copyFolder, copyLibraries, copyProgram, makeRoot } from './base-root.ts'

const JDK = '/usr/lib/jvm/java-17-openjdk-amd64'
const GO = '/usr/local/go'
const TOMCAT = '10.1.34'

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
/** This machine's certificates, where a proxy may stand before the package registries. */
const TRUSTED = `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES} PIP_CERT=${CERTIFICATES} SSL_CERT_FILE=${CERTIFICATES}`

/** A base image that is made of this machine's programs, under the name of the official one. */
export interface Base {
  readonly name: string
  /** Fills the root, and answers the lines of its Dockerfile after the files. */
  readonly fill: (root: string) => Promise<readonly string[]>
}

/** Lays bases into the registry of a data folder that no server uses yet. */
export async function layBases(data: string, bases: readonly Base[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-bases-'))
  const store = await DiskStore.open(join(data, 'registry'), systemClock)
  try {
    const builder = dockerfileBuilder({ cacheFolder: join(folder, 'cache') })
    for (const [index, { name, fill }] of bases.entries()) {
      const root = join(folder, String(index))
      await makeRoot(join(root, 'root'))
      const lines = await fill(join(root, 'root'))
      await writeFile(
        join(root, 'Dockerfile'),
        ['FROM scratch', 'COPY root /', 'WORKDIR /tmp', 'WORKDIR /root', 'WORKDIR /', TRUSTED, ...lines, ''].join('\n'),
      )
      const [repository = '', tag = ''] = name.split(':')
      await builder.build(
        {
          root,
          context: '.',
          dockerfile: 'Dockerfile',
          target: null,
          args: {},
          epochSeconds: 1_700_000_000,
          bases: basesOf(store),
          destination: { store, repository, tags: [tag] },
        },
        () => {},
        never,
      )
      await rm(root, { recursive: true })
    }
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

export const nodeBase: Base = {
  name: 'node:24-slim',
  async fill(root) {
    await copyProgram(root, process.execPath, '/usr/local/bin/node')
    const npm = dirname(dirname(await realpath((await call('which', ['npm'])).trim())))
    await copyFolder(npm, join(root, 'usr/local/lib/node_modules/npm'))
    for (const name of ['npm', 'npx']) {
      await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name))
    }
    return [path('/usr/local/bin'), 'CMD ["node"]']
  },
}

async function java(root: string): Promise<void> {
  await copyFolder(JDK, join(root, 'opt/java/openjdk'), ['src.zip', './jmods', './docs', './man', 'lib/ct.sym.bak'])
  const libraries = readdirSync(join(JDK, 'lib')).filter(
    (name) => name.endsWith('.so') && !/awt|fontmanager|jsound|lcms|jawt/.test(name),
  )
  await copyLibraries(root, [
    join(JDK, 'bin/java'),
    join(JDK, 'lib/server/libjvm.so'),
    ...libraries.map((name) => join(JDK, 'lib', name)),
  ])
}

const JAVA = [path('/opt/java/openjdk/bin'), 'ENV JAVA_HOME=/opt/java/openjdk']

export const mavenBase: Base = {
  name: 'maven:3-eclipse-temurin-17',
  async fill(root) {
    await java(root)
    await copyFolder('/usr/share/maven', join(root, 'usr/share/maven'), ['./man'])
    await symlink('/usr/share/maven/bin/mvn', join(root, 'usr/bin/mvn'))
    return [...JAVA, 'ENV MAVEN_HOME=/usr/share/maven']
  },
}

export const jreBase: Base = {
  name: 'eclipse-temurin:17-jre',
  async fill(root) {
    await java(root)
    return JAVA
  },
}

/** The real Tomcat, as Maven Central has it. */
export const tomcatBase: Base = {
  name: 'tomcat:10-jre17',
  async fill(root) {
    await java(root)
    await mkdir(join(root, 'usr/local'), { recursive: true })
    await call(
      'mvn',
      ['-B', '-q', 'dependency:get', `-Dartifact=org.apache.tomcat:tomcat:${TOMCAT}:tar.gz`, '-Dtransitive=false'],
      { timeoutMs: 240_000 },
    )
    const archive = join(homedir(), `.m2/repository/org/apache/tomcat/tomcat/${TOMCAT}/tomcat-${TOMCAT}.tar.gz`)
    await call('tar', ['-xzf', archive, '-C', join(root, 'usr/local')])
    await call('mv', [join(root, `usr/local/apache-tomcat-${TOMCAT}`), join(root, 'usr/local/tomcat')])
    // The official image keeps the applications that Tomcat brings elsewhere, and its files readable for all.
    await call('rm', ['-rf', join(root, 'usr/local/tomcat/webapps')])
    await mkdir(join(root, 'usr/local/tomcat/webapps'))
    await call('chmod', ['-R', '+rX', join(root, 'usr/local/tomcat')])
    return [
      path('/usr/local/tomcat/bin:/opt/java/openjdk/bin'),
      'ENV JAVA_HOME=/opt/java/openjdk CATALINA_HOME=/usr/local/tomcat',
      'WORKDIR /usr/local/tomcat',
      'CMD ["catalina.sh", "run"]',
    ]
  },
}

export const goBase: Base = {
  name: 'golang:1.26',
  async fill(root) {
    await copyFolder(GO, join(root, 'usr/local/go'), ['./test', './doc', './api', 'testdata'])
    return [path('/go/bin:/usr/local/go/bin'), 'ENV GOPATH=/go GOTOOLCHAIN=local', 'WORKDIR /go']
  },
}

export const pythonBase: Base = {
  name: 'python:3.13-slim',
  async fill(root) {
    const prefix = python() ?? ''
    const modules = join(prefix, 'lib/python3.13')
    await copyProgram(root, join(prefix, 'bin/python3.13'), '/usr/local/bin/python3.13')
    for (const name of ['python', 'python3']) await symlink('python3.13', join(root, 'usr/local/bin', name))
    await copyFolder(modules, join(root, 'usr/local/lib/python3.13'), [
      './test',
      './idlelib',
      './site-packages',
      '__pycache__',
      './config-*',
    ])
    await mkdir(join(root, 'usr/local/lib/python3.13/site-packages'), { recursive: true })
    const dynamic = readdirSync(join(modules, 'lib-dynload')).filter(
      (name) => !/tkinter|_test|curses|readline|dbm/.test(name),
    )
    await copyLibraries(
      root,
      dynamic.map((name) => join(modules, 'lib-dynload', name)),
    )
    return [path('/usr/local/bin')]
  },
}

/** Debian's nginx with an entry point that does what the image's documentation says of templates. */
export const nginxBase: Base = {
  name: 'nginxinc/nginx-unprivileged:stable-alpine',
  async fill(root) {
    const packages = await debianPackages('bookworm', ['nginx'])
    await copyProgram(root, join(packages, 'usr/sbin/nginx'), '/usr/sbin/nginx')
    for (const folder of ['etc/nginx/conf.d', 'usr/share/nginx/html'])
      await mkdir(join(root, folder), { recursive: true })
    await cp(join(packages, 'etc/nginx/mime.types'), join(root, 'etc/nginx/mime.types')).catch(() =>
      writeFile(join(root, 'etc/nginx/mime.types'), 'types { text/html html; }\n'),
    )
    await writeFile(join(root, 'etc/nginx/nginx.conf'), NGINX)
    await writeFile(join(root, 'docker-entrypoint.sh'), ENTRY_POINT)
    await chmod(join(root, 'docker-entrypoint.sh'), 0o755)
    return [
      path(''),
      'RUN chown 101:101 /etc/nginx/conf.d && chmod 1777 /tmp',
      'USER 101',
      'ENTRYPOINT ["/docker-entrypoint.sh"]',
      'CMD ["nginx", "-g", "daemon off;"]',
    ]
  },
}

const NGINX = `pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path /tmp/c; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  include /etc/nginx/conf.d/*.conf;
}
`
const ENTRY_POINT = `#!/bin/sh
set -e
for one in /etc/nginx/templates/*.template; do
  sed "s/\\\${PORT}/$PORT/g" "$one" > "/etc/nginx/conf.d/$(basename "$one" .template)"
done
exec "$@"
`

/** Why a base cannot be made here; null: it can. */
export async function missingFor(bases: readonly Base[]): Promise<string | null> {
  const needed: Readonly<Record<string, () => string | null>> = {
    [nodeBase.name]: () => null,
    [mavenBase.name]: () => (existsSync(JDK) && existsSync('/usr/share/maven') ? null : 'JDK 17 and Maven of Debian'),
    [jreBase.name]: () => (existsSync(JDK) ? null : 'JDK 17 of Debian'),
    [tomcatBase.name]: () => (existsSync(JDK) && existsSync('/usr/share/maven') ? null : 'JDK 17 and Maven of Debian'),
    [goBase.name]: () => (existsSync(join(GO, 'bin/go')) ? null : 'Go in /usr/local/go'),
    [pythonBase.name]: () => (python() === null ? 'Python 3.13' : null),
    [nginxBase.name]: () => (existsSync('/usr/bin/apt-get') ? null : 'apt-get'),
  }
  return bases.map(({ name }) => needed[name]?.() ?? null).find((missing) => missing !== null) ?? null
}

/** Where a Python 3.13 is that can make virtual environments. */
function python(): string | null {
  const versions = join(homedir(), '.pyenv/versions')
  const own = existsSync(versions)
    ? readdirSync(versions)
        .filter((name) => name.startsWith('3.13.'))
        .map((name) => join(versions, name))
    : []
  return [...own, '/usr/local'].find((prefix) => existsSync(join(prefix, 'lib/python3.13/ensurepip'))) ?? null
}

/** The PATH of a base, the program's folders first. */
function path(first: string): string {
  return `ENV PATH=${first === '' ? '' : `${first}:`}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
}
