import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const ENV = {
  PATH: process.env.PATH ?? '',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Kim',
  GIT_AUTHOR_EMAIL: 'kim@example.com',
  GIT_AUTHOR_DATE: '2026-01-02T03:04:05Z',
  GIT_COMMITTER_NAME: 'Kim',
  GIT_COMMITTER_EMAIL: 'kim@example.com',
  GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z',
}

/** A folder under the system's temporary one, and how to get rid of it. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'naru-source-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Runs git in a folder, for making repositories; its output without the last newline. */
export function git(folder: string, args: readonly string[], input?: string | Buffer): string {
  const options = { cwd: folder, env: ENV, stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'] }
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
    ...options,
    ...(input === undefined ? {} : { input }),
  })
    .toString()
    .replace(/\n$/, '')
}

/** A repository with a work tree and the branch main, without a commit. */
export function makeRepository(folder: string, ...flags: readonly string[]): string {
  mkdirSync(folder, { recursive: true })
  git(folder, ['init', '--quiet', '--initial-branch=main', ...flags])
  return folder
}

/** Commits files (path → content) and gives the commit id. */
export function commit(folder: string, files: Readonly<Record<string, string>>, subject = 'Change'): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  git(folder, ['add', '--all'])
  git(folder, ['commit', '--quiet', '--allow-empty', '-m', subject])
  return git(folder, ['rev-parse', 'HEAD'])
}

/** One entry of a hand-made tree. */
export interface Entry {
  readonly mode: '100644' | '100755' | '120000' | '40000' | '160000'
  readonly name: string
  readonly content: string | Buffer | readonly Entry[]
}

/** Writes a tree that git itself would refuse to make, byte by byte, and commits it on main. Gitlinks: `content` is the id. */
export function commitTree(folder: string, entries: readonly Entry[]): string {
  const tree = writeTree(folder, entries)
  const id = git(folder, ['commit-tree', '-m', 'Crafted', tree])
  git(folder, ['update-ref', 'refs/heads/main', id])
  return id
}

function writeTree(folder: string, entries: readonly Entry[]): string {
  const parts = entries.map(({ mode, name, content }) => {
    const id =
      mode === '160000'
        ? String(content)
        : Array.isArray(content)
          ? writeTree(folder, content as readonly Entry[])
          : git(folder, ['hash-object', '-w', '--stdin'], content as string | Buffer)
    return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])
  })
  return git(folder, ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], Buffer.concat(parts))
}

/** A real git server over https on loopback (git http-backend), with faults. `/private/` wants kim and s3cret/word. */
export interface Forge {
  readonly server: Server
  /** Path of the certificate to trust. */
  readonly certificate: string
  readonly url: (path: string) => string
  /** Bytes that were sent since the last look. */
  readonly sentBytes: () => number
  /** Leaves a POST without an answer, and says so. */
  stall: boolean
  asked: (() => void) | null
  /** Speaks protocol v0, which gives only the commits that it lists. */
  old: boolean
}

export async function startForge(folder: string, repositories: string): Promise<Forge> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  let sent = 0
  const forge: Forge = {
    server: createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
      void serve(forge, folder, repositories, request, response).then((bytes) => {
        sent += bytes
      })
    }),
    certificate,
    url: (path) => `https://localhost:${(forge.server.address() as AddressInfo).port}/${path}`,
    sentBytes: () => {
      const now = sent
      sent = 0
      return now
    },
    stall: false,
    asked: null,
    old: false,
  }
  await new Promise<void>((listening) => forge.server.listen(0, '127.0.0.1', listening))
  return forge
}

/** Answers one request, and gives the number of bytes of its body. */
async function serve(
  forge: Forge,
  folder: string,
  repositories: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> {
  const { pathname } = new URL(request.url ?? '/', 'https://localhost')
  if (pathname.startsWith('/private/') && request.headers.authorization !== `Basic ${btoa('kim:s3cret/word')}`) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end()
    return 0
  }
  if (pathname.startsWith('/elsewhere/')) {
    response.writeHead(302, { location: `ext::touch ${folder}/canary` }).end()
    return 0
  }
  if (forge.stall && request.method === 'POST') {
    forge.asked?.()
    return 0
  }
  const answer = await askBackend(forge, repositories, request)
  const split = answer.indexOf('\r\n\r\n')
  const lines = answer.subarray(0, split).toString().split('\r\n')
  const headers = Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]))
  response.writeHead(Number.parseInt(headers.Status ?? '200', 10), headers)
  response.end(answer.subarray(split + 4))
  return answer.length - split - 4
}

/** One call of the CGI program git-http-backend(1). */
async function askBackend(forge: Forge, repositories: string, request: IncomingMessage): Promise<Buffer> {
  const url = new URL(request.url ?? '/', 'https://localhost')
  const header = (name: string) => String(request.headers[name] ?? '')
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: repositories,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: header('content-type'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      REMOTE_ADDR: '127.0.0.1',
      ...(forge.old ? {} : { GIT_PROTOCOL: header('git-protocol') }),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  backend.stdin.on('error', () => {})
  request.pipe(backend.stdin)
  const chunks: Buffer[] = []
  for await (const chunk of backend.stdout) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
