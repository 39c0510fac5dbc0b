/**
 * `npm run conformance`: the OCI distribution specification's own conformance suite, with every optional part: against the registry of `naru
 * server` for 1.1 and for the development version, and against `naru registry serve` with a login and its tokens. Builds the suite with Go once (the version is pinned); without Go it says so and is left out.
 * Exit 0 only when every case passed and none was left out: the suite's own exit code is 0 also for what it skips.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../demo/child.ts'
import { NARU } from '../demo/naru.ts'
import { junitCounts } from './junit-counts.ts'

const VERSION = 'v0.0.0-20260831232431-97274622c111'
const SUITE = `github.com/opencontainers/distribution-spec/conformance@${VERSION}`
const START_MS = 60_000
const CLOSE_MS = 10_000
/** Twenty seconds on a quiet machine. */
const RUN_MS = 300_000

/** What the suite leaves out unless it is asked for. */
const EVERYTHING = {
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_DATA_SPARSE: 'true',
}

/** Path of the suite's program, built when it is not there yet; null: this machine has no Go. */
function suite(): string | null {
  const bin = join(import.meta.dirname, '../../node_modules/.cache/naru-conformance', VERSION)
  const program = join(bin, 'conformance')
  if (existsSync(program)) return program
  if (spawnSync('go', ['version']).status !== 0) return null
  mkdirSync(bin, { recursive: true })
  process.stderr.write('building the conformance suite\n')
  execFileSync('go', ['install', SUITE], {
    env: { ...process.env, GOBIN: bin, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return program
}

/** What serves, and who logs in there. */
interface Served {
  readonly what: string
  readonly command: readonly string[]
  readonly username: string
  /** Makes who logs in, where the command does not. */
  prepare(data: string): void
  /** Once it serves. */
  password(data: string): string
}

const SERVER: Served = {
  what: 'naru server',
  command: ['server'],
  username: 'naru',
  prepare: () => {},
  password: (data) => readFileSync(join(data, 'token'), 'utf8').trim(),
}

const PASSWORD = 'correct horse battery'

const REGISTRY: Served = {
  what: 'naru registry serve, with tokens',
  command: ['registry', 'serve'],
  username: 'kim',
  prepare(data) {
    const args = [NARU, 'registry', 'user', 'add', 'kim', '--allow', 'all', '--password-stdin', '--data', data]
    execFileSync(process.execPath, args, { input: PASSWORD, stdio: ['pipe', 'ignore', 'inherit'] })
  },
  password: () => PASSWORD,
}

/** One run of the suite against a process of its own. Answers whether all of it passed. */
async function conforms(program: string, served: Served, version: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'naru-conformance-'))
  const data = join(folder, 'data')
  served.prepare(data)
  const args = [NARU, ...served.command, '--data', data, '--listen', '127.0.0.1:0', '--output', 'json']
  const server = new Child(args, { PATH: process.env.PATH ?? '', HOME: folder }, folder)
  try {
    const serving = JSON.parse(await server.line(START_MS, AbortSignal.timeout(START_MS))) as { readonly url: string }
    const started = Date.now()
    const ran = spawnSync(program, [], {
      cwd: folder,
      timeout: RUN_MS,
      encoding: 'utf8',
      env: {
        ...EVERYTHING,
        PATH: process.env.PATH,
        OCI_REGISTRY: new URL(serving.url).host,
        OCI_TLS: 'disabled',
        OCI_VERSION: version,
        OCI_USERNAME: served.username,
        OCI_PASSWORD: served.password(data),
        // A token is for what it was asked for: the suite's cache would mount with one that was for something else.
        OCI_CACHE_AUTH: 'false',
        OCI_RESULTS_DIR: join(folder, 'results'),
      },
    })
    const { passed, failed, leftOut } = junitCounts(readFileSync(join(folder, 'results', 'junit.xml'), 'utf8'))
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    const counts = `${passed} passed, ${failed.length} failed, ${leftOut.length} left out`
    process.stdout.write(`OCI distribution conformance ${version}, ${served.what}: ${counts} (${seconds} s)\n`)
    for (const name of [...failed, ...leftOut]) process.stdout.write(`  ${name}\n`)
    return ran.status === 0 && passed > 0 && failed.length + leftOut.length === 0
  } finally {
    await server.end('SIGTERM', CLOSE_MS)
    rmSync(folder, { recursive: true, force: true })
  }
}

const program = suite()
if (program === null) process.stdout.write('OCI distribution conformance: left out, this machine has no Go\n')
else {
  const results: boolean[] = []
  for (const version of ['1.1', 'dev'])
    for (const served of [SERVER, REGISTRY]) results.push(await conforms(program, served, version))
  process.exitCode = results.every(Boolean) ? 0 : 1
}
